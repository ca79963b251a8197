"""What is measured of a control plane."""

from __future__ import annotations

from bench.rows import Metric

CONVERGE = Metric("converge_ms", "ms", "until all have everything, ms", 0)
P50 = Metric("p50_ms", "ms", "one change, until the last stream has it: p50, ms", 1)
P99 = Metric("p99_ms", "ms", "  p99, ms", 1)
MAX = Metric("max_ms", "ms", "  max, ms", 1)
ACK_P50 = Metric("ack_p50_ms", "ms", "until the last ACK is in: p50, ms", 1)
ACK_P99 = Metric("ack_p99_ms", "ms", "  p99, ms", 1)
ACK_MAX = Metric("ack_max_ms", "ms", "  max, ms", 1)
STREAM_P50 = Metric("stream_p50_ms", "ms", "until a stream has it, all streams: p50, ms", 1)
STREAM_P99 = Metric("stream_p99_ms", "ms", "  p99, ms", 1)
CPU = Metric("cpu_ms_per_change", "ms", "server CPU for a change, ms", 1)
CLIENT_CPU = Metric("client_cpu_ms_per_change", "ms", "the load's own CPU for a change, ms", 1, is_compared=False)
MEMORY = Metric("rss_mb", "MB", "memory, MB", 1)
PEAK_MEMORY = Metric("peak_rss_mb", "MB", "memory at its peak, MB", 1)
STREAM_MEMORY = Metric("kb_per_stream", "kB", "memory for each stream, kB", 1)
BYTES = Metric("bytes_per_change", "B", "bytes for a change and stream", 0)
ACK_BYTES = Metric("ack_bytes_per_change", "B", "bytes back for a change and stream", 0)

CPU_GROWTH = Metric("cpu_ratio", "×", "server CPU for a change with 1,000 clusters ÷ with 100", 2)
P99_GROWTH = Metric("p99_ratio", "×", "p99 with 1,000 clusters ÷ with 100", 2)

RESYNCED = Metric("resynced_ms", "ms", "kill -9 until all are synced, ms", 0)
RESTART = Metric("restart_ms", "ms", "  of which until the new process serves, ms", 0)
RESYNC_CPU = Metric("resync_cpu_ms", "ms", "  server CPU for it, ms", 0)
RESENT = Metric("resent_unchanged", "", "unchanged resources sent again, but EDS", 0)
RESENT_EDS = Metric("resent_eds", "", "endpoints sent again", 0)
RESENT_BYTES = {
    "CDS": Metric("resent_bytes_cds", "B", "bytes sent again: CDS", 0),
    "EDS": Metric("resent_bytes_eds", "B", "  EDS", 0),
    "LDS": Metric("resent_bytes_lds", "B", "  LDS", 0),
    "RDS": Metric("resent_bytes_rds", "B", "  RDS", 0),
}

SLOW_CHANGES = Metric("changes", "", "changes with 1 % of the streams stopped", 0)
P99_ALL_READ = Metric("p99_all_read_ms", "ms", "p99 of the others while all read, ms", 1)
P99_SOME_STOPPED = Metric("p99_stopped_ms", "ms", "p99 of the others while 1 % are stopped, ms", 1)
STOPPED_RATIO = Metric("p99_ratio", "×", "the second ÷ the first", 2)
MEMORY_GROWTH = Metric("rss_growth_mb", "MB", "memory's growth, MB", 1)
CATCH_UP = Metric("catch_up_responses", "", "responses to each stopped stream afterwards", 1)

PAIRS = Metric("pairs_per_second", "1/s", "workers that leave and come back, a second", 0, more_is_better=True)
PUSHES = Metric("pushes_per_second", "1/s", "responses to each stream, a second", 1)
SETTLED = Metric("settled_ms", "ms", "after the last one, until the last response, ms", 0)
CHURN_CPU = Metric("server_cpu", "%", "server CPU, % of a core", 0)
