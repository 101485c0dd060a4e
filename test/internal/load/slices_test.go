package load

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sliced is counts of a profile with slices and a mark.
var sliced = `{"start_ms":1795434802648,"first_out_of_budget_after_mark_ms":4250.5,"slices":[[2,2],[8,2]],` + counts[1:]

func TestParseSlices(t *testing.T) {
	summary, err := ParseSummary(strings.NewReader(summaryPrefix + " " + sliced + "\n"))
	require.NoError(t, err)
	assert.Equal(t, time.UnixMilli(1795434802648), summary.Start)
	assert.Equal(t, 4250*time.Millisecond, *summary.FirstOutOfBudget)
	assert.Equal(t, []Slice{{Sent: 2, InBudget: 2}, {Sent: 8, InBudget: 2}}, summary.Slices)
	assert.Equal(t, 10, summary.Sent, "frames sent, which the rest of the summary has")

	without, err := ParseSummary(strings.NewReader(summaryPrefix + " " + strings.Replace(sliced, "4250.5", "null", 1) + "\n"))
	require.NoError(t, err)
	assert.Nil(t, without.FirstOutOfBudget, "first frame out of budget, where every frame after the mark was in budget")
}

func TestParseSlicesRefuses(t *testing.T) {
	for wrong, wantErr := range map[string]string{
		"[[2,2],[1,2]]":  "the summary in the log of k6 has more frames in budget (2) than sent (1) in slice 1",
		"[[2,-1],[8,2]]": "the summary in the log of k6 has more frames in budget (-1) than sent (2) in slice 0",
		"[[2,2],[9,2]]":  "the summary in the log of k6 has 11 frames in its slices and 10 sent",
	} {
		_, err := ParseSummary(strings.NewReader(summaryPrefix + strings.Replace(sliced, "[[2,2],[8,2]]", wrong, 1)))
		assert.EqualError(t, err, wantErr)
	}
}

func TestJobTellsSliceAndMark(t *testing.T) {
	p := spike
	p.Slice, p.Mark = time.Second, 20*time.Second
	job, err := Job("frames", "spike", "http://holograph-renderer:8080", p)
	require.NoError(t, err)
	values := environment(job.Spec.Template.Spec.Containers[0])
	assert.Equal(t, "1000", values["FRAMES_SLICE_MS"])
	assert.Equal(t, "20000", values["FRAMES_MARK_MS"])
}
