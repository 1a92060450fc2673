"""The laptop engine: suggest, schedule, run trials as child processes, replay one."""
