import MeridianAPI
import OperatorTools
import Testing

@Suite struct ProxyTableTests {
    @Test func `each type has its state and its number of resources`() {
        let table = TextTable(proxies: [
            proxy("client-us", "us", [type("cluster.v3.Cluster", "SYNCED", 3)]),
            proxy(
                "client-eu",
                "eu",
                [
                    type("cluster.v3.Cluster", "STALE", 2) { $0.overdue = true },
                    type("endpoint.v3.ClusterLoadAssignment", "SYNCED", 2),
                    type("listener.v3.Listener", "NOT_SENT", 0),
                ]
            ),
        ])
        #expect(
            table.description == """
                NODE        REGION   ZONE   PROTOCOL   CDS                 EDS          LDS            RDS     AGE
                client-eu   eu       eu-a   DELTA      STALE (2) overdue   SYNCED (2)   NOT_SENT (0)   -     3m12s
                client-us   us       us-a   DELTA      SYNCED (3)          -            -              -     3m12s
                """
        )
    }

    @Test func `a refusal stands below its proxy with its origin and its first line`() {
        let table = TextTable(proxies: [
            proxy(
                "client-eu",
                "eu",
                [
                    type("cluster.v3.Cluster", "NACKED", 3) {
                        $0.refused = [
                            .with {
                                $0.name = "reports"
                                $0.error = "no such\textension\nat 7"
                                $0.objects = ["service reports"]
                                $0.revision = 12
                                $0.isNamed = true
                            }
                        ]
                    },
                    type("route.v3.RouteConfiguration", "NACKED", 4) {
                        $0.refused = ["d", "a", "c", "b"].map { name in
                            .with {
                                $0.name = name
                                $0.error = "no"
                            }
                        }
                    },
                ]
            )
        ])
        let notes = table.description.split(separator: "\n").dropFirst(2)
        #expect(
            notes == [
                "  CDS NACKED reports (from service reports, revision 12): no such extension",
                "  RDS NACKED one of a, b, c and 1 more: no",
            ]
        )
    }

    @Test func `types beside the usual ones have columns when a proxy has them`() {
        let table = TextTable(proxies: [
            proxy(
                "client-eu",
                "eu",
                [
                    .with {
                        $0.typeURL =
                            "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
                        $0.state = "SYNCED"
                        $0.resources = 1
                    },
                    .with {
                        $0.typeURL = "type.googleapis.com/acme.Widget"
                        $0.state = "SYNCED"
                    },
                ]
            )
        ])
        let header = table.description.split(separator: "\n").first?.split(separator: " ")
        #expect(
            header == [
                "NODE", "REGION", "ZONE", "PROTOCOL", "CDS", "EDS", "LDS", "RDS", "SDS", "Widget",
                "AGE",
            ]
        )
    }

    @Test func `the streams of one proxy are one row with the worst of their states`() {
        var second = proxy(
            "client-eu",
            "eu",
            [
                type("cluster.v3.Cluster", "NACKED", 1),
                type("endpoint.v3.ClusterLoadAssignment", "SYNCED", 1),
            ]
        )
        second.connectedMilliseconds = 9_000
        let first = proxy(
            "client-eu",
            "eu",
            [
                type("cluster.v3.Cluster", "SYNCED", 2),
                type("endpoint.v3.ClusterLoadAssignment", "SYNCED", 1),
            ]
        )
        let table = TextTable(proxies: [first, second])
        #expect(
            table.description == """
                NODE        REGION   ZONE   PROTOCOL   CDS          EDS          LDS   RDS     AGE
                client-eu   eu       eu-a   DELTA      NACKED (3)   SYNCED (2)   -     -     3m12s
                """
        )
    }

    @Test func `a wide table has versions, the client and the replica`() {
        var one = proxy(
            "client-eu",
            "eu",
            [
                type("cluster.v3.Cluster", "SYNCED", 3) {
                    $0.acceptedVersion = "0123456789abcdef"
                }
            ]
        )
        one.userAgent = "envoy"
        one.replica = "127.0.0.1:18000"
        let table = TextTable(proxies: [one], isWide: true)
        #expect(
            table.description == """
                NODE        REGION   ZONE   PROTOCOL   CDS                       EDS   LDS   RDS   CLIENT   REPLICA             AGE
                client-eu   eu       eu-a   DELTA      SYNCED (3) 0123456789ab   -     -     -     envoy    127.0.0.1:18000   3m12s
                """
        )
    }

    @Test func `one proxy's resources have all of its words`() {
        var one = proxy("client-eu", "eu", [])
        one.resources = [
            .with {
                $0.typeURL = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
                $0.name = "egress"
                $0.version = "7"
                $0.state = "SYNCED"
            },
            .with {
                $0.typeURL = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
                $0.name = "reports"
                $0.version = "9"
                $0.state = "NACKED"
                $0.refused.version = "8"
                $0.refused.error = "no such extension\nat 7"
                $0.refused.objects = ["service reports"]
                $0.refused.revision = 12
                $0.refused.isNamed = true
            },
            .with {
                $0.typeURL = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
                $0.name = "gone"
                $0.state = "NACKED"
                $0.refused.error = "in use"
            },
        ]
        let table = TextTable(resourcesOf: [one])
        #expect(
            table.description == """
                TYPE   NAME      STATE    VERSION
                CDS    gone      NACKED   -
                  refused its removal, or another resource of the same response
                  in use
                CDS    reports   NACKED   9
                  refused 8 (from service reports, revision 12)
                  no such extension
                  at 7
                RDS    egress    SYNCED   7
                """
        )
    }

    private func proxy(
        _ node: String,
        _ region: String,
        _ types: [Meridian_V1_TypeStatus]
    ) -> Meridian_V1_Proxy {
        .with {
            $0.nodeID = node
            $0.locality.region = region
            $0.locality.zone = region + "-a"
            $0.`protocol` = "DELTA"
            $0.connectedMilliseconds = 192_000
            $0.types = types
        }
    }

    private func type(
        _ name: String,
        _ state: String,
        _ resources: UInt32,
        _ fill: (inout Meridian_V1_TypeStatus) -> Void = { _ in }
    ) -> Meridian_V1_TypeStatus {
        .with {
            $0.typeURL = "type.googleapis.com/envoy.config." + name
            $0.state = state
            $0.resources = resources
            fill(&$0)
        }
    }
}
