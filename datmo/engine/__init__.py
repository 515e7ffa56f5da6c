"""The async engine: a project, and the commands on its sessions, snapshots, tasks and log."""
