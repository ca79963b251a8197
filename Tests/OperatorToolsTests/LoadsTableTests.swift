import MeridianAPI
import OperatorTools
import Testing

@Suite struct LoadsTableTests {
    @Test func `clusters, localities and endpoints stand below each other`() {
        let response = Meridian_V1_ListLoadsResponse.with {
            $0.clusters = [
                .with {
                    $0.cluster = "reports"
                    $0.counts = counts(issued: 600, failed: 30, inFlight: 4)
                    $0.dropped = 5
                    $0.droppedByCategory = ["throttle": 3, "lb": 2]
                    $0.localities = [
                        .with {
                            $0.locality.region = "eu"
                            $0.locality.zone = "eu-a"
                            $0.priority = 1
                            $0.counts = counts(issued: 600, failed: 30, inFlight: 4)
                            $0.endpoints = [
                                .with {
                                    $0.address.host = "::1"
                                    $0.address.port = 9_001
                                    $0.counts = counts(issued: 600, failed: 30, inFlight: 4)
                                    $0.reporters = 3
                                    $0.failingReporters = 1
                                    $0.metrics = [
                                        .with {
                                            $0.name = "utilization"
                                            $0.mean = 0.12345
                                        },
                                        .with {
                                            $0.name = "named_metrics.trend"
                                            $0.mean = -2
                                        },
                                    ]
                                }
                            ]
                        }
                    ]
                },
                .with { $0.cluster = "silent" },
            ]
        }
        let table = TextTable(loads: response)
        #expect(
            table.description == """
                CLUSTER   LOCALITY   PRIORITY   ENDPOINT     REQ/S   FAILED/S   IN-FLIGHT   REQUESTS   FAILING   METRICS
                reports   -                 -   -             12.0        0.6           4        600         -   -
                  dropped 5: lb 2, throttle 3
                reports   eu/eu-a           1   -             12.0        0.6           4        600         -   -
                reports   eu/eu-a           1   [::1]:9001    12.0        0.6           4        600       1/3   utilization=0.123 named_metrics.trend=-2.000
                silent    -                 -   -                -          -           0          0         -   -
                """
        )
    }

    private func counts(
        issued: UInt64,
        failed: UInt64,
        inFlight: UInt64
    ) -> Meridian_V1_LoadCounts {
        .with {
            $0.issued = issued
            $0.failed = failed
            $0.inFlight = inFlight
            $0.milliseconds = 50_000
        }
    }
}
