package chart_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
	"holograph/test/internal/promtool"
)

// nonsense lists sample values that are no count and that a broken counter may have in one scrape, as promtool writes them.
var nonsense = []string{"NaN", "Inf", "-Inf", "-1", "-1e12", "0", "1e9", "1.7e16", "1.7976931348623157e308"}

// TestNonsenseHidesNoLateFrames: one such sample of one pod neither hides the late frames of the others nor makes an alert
// fire where no frame is late.
func TestNonsenseHidesNoLateFrames(t *testing.T) {
	t.Parallel()
	const frames, late = "holograph_frames_total", "holograph_frames_over_budget_total"
	pods := []string{"holograph-renderer-5d4b7c9f68-2vxqz", "holograph-renderer-5d4b7c9f68-9kwtb"}
	var tests strings.Builder
	tests.WriteString("rule_files: [rules.yaml]\nevaluation_interval: 1m\ntests:\n")
	for _, share := range []float64{0.5, 0} {
		for _, wrong := range []string{frames, late} {
			for _, value := range nonsense {
				fmt.Fprintf(&tests, "  - name: '%v of the frames are late, and %s is %s once'\n    interval: 1m\n    input_series:\n%s\n",
					share, wrong, value, healthy(t, frames, late))
				for _, pod := range pods {
					for name, step := range map[string]float64{frames: 750, late: 750 * share} {
						// The tenth sample of the second pod's.
						values := fmt.Sprintf("0+%vx90", step)
						if name == wrong && pod == pods[1] {
							values = fmt.Sprintf("0+%vx9 %s+0x0 %v+%vx80", step, value, 11*step, step)
						}
						fmt.Fprintf(&tests, "      - series: '%s{namespace=\"holograph\", pod=\"%s\", container=\"renderer\"}'\n        values: '%s'\n", name, pod, values)
					}
				}
				fast := " []"
				if share > 0 {
					fast = "\n          - {labels: 'ALERTS{alertname=\"HolographErrorBudgetBurnFast\", alertstate=\"firing\", namespace=\"holograph\", severity=\"critical\"}', value: 1}"
				}
				// While the sample is in the window, at its end, after it, and an hour later.
				for _, at := range []string{"10m", "11m", "12m", "20m", "60m", "80m"} {
					fmt.Fprintf(&tests, "%s      - expr: 'ALERTS{alertname=\"HolographErrorBudgetBurnFast\"}'\n        eval_time: %s\n        exp_samples:%s\n",
						map[bool]string{true: "    promql_expr_test:\n"}[at == "10m"], at, fast)
				}
				// 25 frames a second, and a counter that begins anew may count its own past once.
				for expression, bounds := range map[string][2]float64{
					"avg_over_time(holograph:frames:rate[80m])":             {20, 30},
					"avg_over_time(holograph:frames_over_budget:rate[80m])": {25*share - 3, 25*share + 3},
				} {
					fmt.Fprintf(&tests, "      - expr: 'count by (namespace) (%v <= %s <= %v)'\n        eval_time: 80m\n", bounds[0], expression, bounds[1])
					fmt.Fprintf(&tests, "        exp_samples: [{labels: '{namespace=\"holograph\"}', value: 1}]\n")
				}
			}
		}
	}
	directory := writePrometheusFiles(t, chart.Render(t))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "nonsense.yaml"), []byte(tests.String()), 0o644))
	require.NoError(t, promtool.Run(t.Context(), directory, "test", "rules", "nonsense.yaml"))
}
