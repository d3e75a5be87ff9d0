"""What people look at and what wakes them: Prometheus's rules, their tests, Grafana's dashboard."""
