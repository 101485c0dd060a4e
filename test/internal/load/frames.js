// The load requests frames from the renderer at given times, whether or not earlier frames have an answer.
//
// A frame is due when the arrival-rate executor starts its iteration. In k6 v1.8.1
// (lib/executor/ramping_arrival_rate.go), the renderer cannot delay that time:
//   - cal() places arrival i (1, 2, ...) where the area below the line of the rate reaches i, and Run()
//     waits only for that time, never for an answer.
//   - TryRunIteration() then gives the arrival to an idle VU at once, or drops it; there is no queue. k6
//     counts dropped arrivals (dropped_iterations): frames that were due and never started.
// So there is no coordinated omission. Only k6 itself can delay a frame, when it is short of CPU.
// start_delay_ms reports that delay, against arrivals that arrival() computes as cal() does.
//
// The computed arrivals are not exact enough to be the due times. exec.scenario.startTime is read before the
// VUs are activated, and the executor's clock starts after that (17 ms later with 250 VUs on two busy
// cores). This shifts all arrivals by the same time, so delays are counted from the shortest one. A dropped
// arrival does not count in iterationInTest, which makes the delays after it too long, never too short.

import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Gauge, Trend } from 'k6/metrics';

// setting reads an environment variable with parse, and checks the result with valid.
function setting(name, parse, valid, example) {
  let value;
  try {
    value = parse(__ENV[name]);
  } catch (_) {
    value = undefined;
  }
  if (value === undefined || !valid(value)) {
    throw new Error(`${name} is ${JSON.stringify(__ENV[name] || '')}; write ${example}`);
  }
  return value;
}

const positive = (n) => n > 0;

const url = setting('FRAMES_URL', String, (u) => /^https?:/.test(u), "the renderer's address such as http://holograph-renderer:8080");
// The path of frames; empty is the path of the reference renderer.
const path = setting('FRAMES_PATH', String, (p) => p === '' || p[0] === '/', 'a path such as /view, or nothing');
const budget = setting('FRAMES_BUDGET_MS', Number, positive, 'milliseconds such as 33');
const timeout = setting('FRAMES_TIMEOUT_MS', Number, positive, 'milliseconds such as 2000');
const vus = setting('FRAMES_VUS', Number, positive, 'the highest number of frames without an answer at one time, such as 100');

// The length in milliseconds of the slices that are also counted separately; 0 is no slices.
const slice = setting('FRAMES_SLICE_MS', Number, (n) => n >= 0, 'milliseconds such as 5000, or 0');
// The time in milliseconds from the start after which the summary looks for the first frame out of budget.
const mark = setting('FRAMES_MARK_MS', Number, (n) => n >= 0, 'milliseconds such as 60000, or 0');

// The executor takes only whole numbers as targets, so they are per thousand seconds: 2500 for 2.5 frames a second.
const unit = 1000;

const stages = setting(
  'FRAMES_STAGES',
  (text) => JSON.parse(text).map((s) => ({ target: Math.round(s.target * unit) / unit, duration: s.duration })),
  (list) => list.length > 0 && list.every((s) => s.target >= 0 && seconds(s.duration) >= 0),
  'stages such as [{"target": 20, "duration": "30s"}], targets in frames per second',
);

// seconds reads a duration as k6 writes it, such as 1m30s or 500ms.
function seconds(duration) {
  const factor = { ms: 1e-3, s: 1, m: 60, h: 3600 };
  return Array.from(duration.matchAll(/([\d.]+)(ms|h|m|s)/g), ([, n, u]) => n * factor[u]).reduce((a, b) => a + b, 0);
}

const length = stages.reduce((sum, stage) => sum + 1000 * seconds(stage.duration), 0);
const slices = slice > 0 ? Math.ceil(length / slice) : 0;
const sliced = (name, n) => `${name}{slice:${n}}`;

export const options = {
  discardResponseBodies: true,
  // k6 counts by tag only where a threshold needs it, so each slice has a threshold that is always met.
  thresholds: Object.fromEntries(
    Array.from({ length: slices }, (_, n) => [sliced('frames_sent', n), sliced('frames_in_budget', n)])
      .flat()
      .map((name) => [name, ['count>=0']]),
  ),
  // Every frame has its own URL. With the tag of the URL, each would be a time series.
  systemTags: ['error_code'],
  summaryTrendStats: ['min', 'p(50)', 'p(95)', 'p(99)', 'max'],
  scenarios: {
    frames: {
      executor: 'ramping-arrival-rate',
      startRate: 0,
      timeUnit: `${unit}s`,
      preAllocatedVUs: vus,
      maxVUs: vus,
      // No frame arrives in the last two stages. The executor's clock is ahead of that of the arrivals: without
      // these stages it ended before the last frames, and did not count them as dropped (296 of 300 were sent).
      stages: stages
        .concat({ target: 0, duration: '0s' }, { target: 0, duration: '1s' })
        .map((s) => ({ target: Math.round(s.target * unit), duration: s.duration })),
      gracefulStop: `${timeout + 1000}ms`,
    },
  },
};

const sent = new Counter('frames_sent');
const outcomes = {
  in_budget: new Counter('frames_in_budget'),
  late: new Counter('frames_late'),
  refused: new Counter('frames_refused'),
  failed: new Counter('frames_failed'),
};
const lateAtClient = new Counter('frames_late_at_client');
const latency = new Trend('frame_latency');
const refusal = new Trend('frame_refusal');
const startDelay = new Trend('frame_start_delay');
const outAfterMark = new Trend('frame_out_of_budget_after_mark');
const start = new Gauge('frames_start');

// arrival returns the time in seconds from the start at which the area below the line of the rate reaches n. It is the
// formula of cal(), in a form that also holds for a constant rate.
function arrival(n) {
  let from = 0;
  let start = 0;
  let done = 0;
  for (const stage of stages) {
    const length = seconds(stage.duration);
    const area = (length * (from + stage.target)) / 2;
    if (n <= done + area) {
      const rest = n - done;
      const slope = (stage.target - from) / length;
      return start + (2 * rest) / (from + Math.sqrt(Math.max(0, from * from + 2 * rest * slope)));
    }
    from = stage.target;
    start += length;
    done += area;
  }
  return start;
}

// The reference renderer measures each frame twice: from its arrival, which is what the autoscaler follows, and from its due
// time, which this script sends as `scheduled` and which is what a viewer sees. A frame is in budget if it is in both. If
// the clocks of k6 and the renderer contradict each other, the renderer answers "unknown" for the second, and the frame
// counts as failed, because no share in budget can be computed. Another renderer does not say whether a frame is in budget,
// so the time until its answer decides.
function outcome(response, took) {
  if (path !== '' && response.status === 200) return took <= budget ? 'in_budget' : 'late';
  const late = [response.headers['Holograph-Over-Budget'], response.headers['Holograph-Client-Over-Budget']];
  if (response.status === 200 && late.every((l) => l === 'false')) return 'in_budget';
  if (response.status === 200 && late.every((l) => l === 'false' || l === 'true')) return 'late';
  if (response.status === 503) return 'refused';
  return 'failed';
}

export default function () {
  const due = Date.now();
  const sinceStart = due - exec.scenario.startTime;
  const tags = slice > 0 ? { slice: String(Math.min(slices - 1, Math.floor(sinceStart / slice))) } : {};
  start.add(exec.scenario.startTime);
  startDelay.add(sinceStart - 1000 * arrival(exec.scenario.iterationInTest + 1));

  sent.add(1, tags);
  const response = http.get(url + (path || `/frame?scheduled=${due * 1000}`), { timeout: timeout, tags: { name: 'frame' } });
  const took = Date.now() - due;

  // When k6 is stopped, it cancels the requests without an answer, and continues this script for a moment. Such a frame has
  // no outcome.
  if (response.error === 'context canceled') return;

  const result = outcome(response, took);
  outcomes[result].add(1, tags);
  if (result === 'failed') {
    const why = response.error || `status ${response.status}, over budget by the client's clock: ${response.headers['Holograph-Client-Over-Budget']}`;
    console.warn(`holograph-load-failure: after ${(sinceStart / 1000).toFixed(1)} s and ${took} ms: ${why}`);
  }
  if (result !== 'in_budget' && sinceStart >= mark) outAfterMark.add(sinceStart);
  if (result === 'refused') refusal.add(took);
  if (result === 'in_budget' || result === 'late') {
    latency.add(took);
    if (took > budget) lateAtClient.add(1);
  }
}

export function handleSummary(data) {
  const count = (name) => (data.metrics[name] ? data.metrics[name].values.count : 0);
  const spread = (name, zero) => {
    if (!data.metrics[name]) return null;
    const v = data.metrics[name].values;
    const from = zero === undefined ? v.min : zero;
    return { p50: v['p(50)'] - from, p95: v['p(95)'] - from, p99: v['p(99)'] - from, max: v.max - from };
  };
  const summary = {
    sent: count('frames_sent'),
    in_budget: count('frames_in_budget'),
    late: count('frames_late'),
    refused: count('frames_refused'),
    failed: count('frames_failed'),
    never_started: count('dropped_iterations'),
    late_at_client: count('frames_late_at_client'),
    latency_ms: spread('frame_latency', 0),
    refusal_ms: spread('frame_refusal', 0),
    start_delay_ms: spread('frame_start_delay'),
    start_ms: data.metrics.frames_start ? data.metrics.frames_start.values.value : null,
    first_out_of_budget_after_mark_ms: data.metrics.frame_out_of_budget_after_mark
      ? data.metrics.frame_out_of_budget_after_mark.values.min
      : null,
    slices: Array.from({ length: slices }, (_, n) => [count(sliced('frames_sent', n)), count(sliced('frames_in_budget', n))]),
  };
  return { stdout: `holograph-load-summary: ${JSON.stringify(summary)}\n` };
}
