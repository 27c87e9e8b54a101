"""Studies of gradient flows that take no run of an experiment: functions from sizes to numbers."""
