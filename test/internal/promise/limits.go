package promise

// limits are what the chart cannot promise, and what an operator can do about it.
var limits = []struct{ When, Happens, Do string }{
	{
		"Prometheus is down",
		"No alert of this chart fires, because Prometheus evaluates them. The number of replicas does not change, even if the load grows.",
		"Use a service outside the cluster that alerts you when HolographWatchdog, which always fires, stops arriving. If the load can grow faster than you react, set `autoscaling.minReplicas` to what it needs.",
	},
	{
		"Every part that serves a metric is down",
		"The number of replicas does not change. Frames beyond their capacity are late or refused.",
		"The same. HolographAutoscalerInactive and HolographAdapterUnavailable fire while Prometheus works.",
	},
	{
		"A part that serves a metric accepts requests and does not answer",
		"The autoscaler waits up to a minute for each metric, and decides nothing meanwhile. The number of replicas does not change. The conditions of the autoscaler stay as they were for two minutes and more, so HolographAutoscalerInactive fires late.",
		"The probes of Prometheus and of the adapter restart such a pod within two to three minutes. Monitor the pods of KEDA, which are not the chart's.",
	},
	{
		"Late frames are the only signal, and a rollout or an outage of scrapes takes longer than `autoscaling.behavior.scaleDown.stabilizationWindowSeconds`",
		"The autoscaler may remove pods that the load needs, and adds them again. Late frames of a pod that is new, or scraped again, count in full only after `signals.overruns.window`. Demand does not read low: it has no value until its window is full.",
		"Use demand too (`signals.demand`), or write a stabilization window that is longer than your rollouts.",
	},
	{
		"One pod exports false demand at a plausible rate",
		"The autoscaler adds pods: demand counts for at most ten full pods, which are 13 at the target of 0.75. With `signals.overruns.maxRatio: null`, false late frames add pods up to `autoscaling.maxReplicas`. A rate above `signals.frames.maxRate` is ignored.",
		"Set `autoscaling.maxReplicas` to what you can pay for, and `signals.frames.maxRate` to the highest rate at which frames are requested from one of your pods.",
	},
}
