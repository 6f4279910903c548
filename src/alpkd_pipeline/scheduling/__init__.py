"""Commands that the machine's own scheduler starts: crontab, systemd timers, and what they run."""
