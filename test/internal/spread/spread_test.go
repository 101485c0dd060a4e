package spread

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOver(t *testing.T) {
	same := func(v float64) float64 { return v }
	assert.Equal(t, "2.0 % (1.0 to 3.0)", Over([]float64{1, 3, math.NaN()}, same).Text("%.1f", " %"))
	assert.Equal(t, "2 s", Over([]float64{2.1, 1.9}, same).Text("%.0f", " s"), "no spread that is shown")
	assert.Equal(t, "–", Over(nil, same).Text("%.0f", " s"))
}
