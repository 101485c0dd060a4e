package promise

// limits are what the chart cannot promise, and what an operator does about it.
var limits = []struct{ When, Happens, Do string }{
	{
		"Prometheus is down",
		"No alert of this chart fires, because Prometheus evaluates them. The replicas hold, also where the load grows.",
		"Have a service outside the cluster expect HolographWatchdog, which always fires, and tell you when it stops. Where the load can grow faster than you react, set `autoscaling.minReplicas` to what it needs.",
	},
	{
		"Every part that serves a metric is down",
		"The replicas hold at the last number. More load than they can bear is late or refused.",
		"As above. HolographAutoscalerInactive and HolographAdapterUnavailable fire while Prometheus works.",
	},
	{
		"One pod counts late frames that there are not, at a plausible rate",
		"Its late frames bring pods up to `autoscaling.maxReplicas`, at the pace of `autoscaling.behavior.scaleUp`. A rate above `signals.frames.maxRate` counts for nothing, and demand counts for at most ten full pods.",
		"Set `autoscaling.maxReplicas` to what you can pay for, and `signals.frames.maxRate` to what a pod of yours can be asked for.",
	},
}
