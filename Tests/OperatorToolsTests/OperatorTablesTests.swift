import MeridianAPI
import OperatorTools
import Testing

@Suite struct OperatorTablesTests {
    @Test func `workers are sorted by service, region and name`() {
        let table = TextTable(workers: [
            worker("us-1", region: "us"), worker("eu-2", region: "eu"),
            worker("eu-1", region: "eu"),
        ])
        #expect(
            table.description == """
                WORKER   SERVICE   REGION   ZONE   ADDRESS          STATE     REPORTED   PROBE     EJECTED   IN-FLIGHT   REQUESTS   ERRORS   LEASE
                eu-1     reports   eu       eu-a   127.0.0.1:9001   SERVING   SERVING    FAILING       1/4        3/64       1200        1    4.2s
                eu-2     reports   eu       eu-a   127.0.0.1:9001   SERVING   SERVING    FAILING       1/4        3/64       1200        1    4.2s
                us-1     reports   us       us-a   127.0.0.1:9001   SERVING   SERVING    FAILING       1/4        3/64       1200        1    4.2s
                """
        )
    }

    @Test func `parameters that may be left out stand in brackets`() {
        let report = Meridian_V1_ReportDescription.with {
            $0.name = "customer-statement"
            $0.title = "Statement of a customer"
            $0.parameters = [
                .with {
                    $0.name = "customer"
                    $0.type = "integer"
                    $0.required = true
                },
                .with {
                    $0.name = "from"
                    $0.type = "month"
                },
            ]
        }
        let table = TextTable(reports: [report])
        #expect(
            table.description == """
                REPORT               PARAMETERS                      TITLE
                customer-statement   customer=INTEGER [from=MONTH]   Statement of a customer
                """
        )
    }

    @Test func `a mesh is shown with its revision and the shares set since`() {
        let response = Meridian_V1_GetMeshResponse.with {
            $0.fileName = "mesh.yaml"
            $0.yaml = "kind: Mesh\n"
            $0.revision = 7
            $0.shares = [
                .with {
                    $0.service = "reports"
                    $0.fromRegion = "us"
                },
                .with {
                    $0.service = "reports"
                    $0.fromRegion = "eu"
                    $0.shares = ["us": 20, "eu": 80]
                },
            ]
        }
        let text = response.commentedYAML
        #expect(
            text == """
                # mesh.yaml, revision 7
                # shares reports --from eu eu=80 us=20
                # shares reports --from us --nearest
                kind: Mesh
                """
        )
    }

    @Test func `a refusal is a row with the proxies and their words below it`() {
        func refusal(
            _ object: String,
            _ state: String,
            served: UInt64? = nil
        ) -> Meridian_V1_Refusal {
            .with {
                $0.object = object
                $0.revision = object.isEmpty ? 0 : 12
                $0.typeURL = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
                $0.resource = "egress"
                $0.state = state
                $0.servedRevision = served ?? 0
                $0.leftOut = served == nil && !object.isEmpty
                $0.error = "missing ): (x"
                $0.nodeCount = 3
                $0.nodeIds = ["a", "b"]
            }
        }
        let table = TextTable(refusals: [
            refusal("service orders", "QUARANTINED", served: 7),
            refusal("service reports", "QUARANTINED"),
            refusal("", "GIVEN_UP"),
        ])
        #expect(
            table.description == """
                OBJECT            REVISION   RESOURCE                    STATE         SERVED       PROXIES
                service orders    12         RouteConfiguration egress   QUARANTINED   revision 7         3
                  proxies: a, b and 1 more
                  error: missing ): (x
                service reports   12         RouteConfiguration egress   QUARANTINED   nothing            3
                  proxies: a, b and 1 more
                  error: missing ): (x
                -                 -          RouteConfiguration egress   GIVEN_UP      -                  3
                  proxies: a, b and 1 more
                  error: missing ): (x
                """
        )
    }

    @Test func `a message's JSON is indented, with sorted keys and whole numbers`() throws {
        let response = Meridian_V1_GetCountersResponse.with {
            $0.counters = ["b": .max, "a": 1]
        }
        let json = try prettyJSON(message: response)
        #expect(
            json == """
                {
                  "counters" : {
                    "a" : "1",
                    "b" : "18446744073709551615"
                  }
                }
                """
        )
    }

    private func worker(_ id: String, region: String) -> Meridian_V1_Worker {
        .with {
            $0.registration.workerID = id
            $0.registration.service = "reports"
            $0.registration.locality.region = region
            $0.registration.locality.zone = region + "-a"
            $0.registration.address.host = "127.0.0.1"
            $0.registration.address.port = 9_001
            $0.registration.capacity = 64
            $0.state = "SERVING"
            $0.reportedState = "SERVING"
            $0.probeState = "FAILING"
            $0.ejectedBy = 1
            $0.seenBy = 4
            $0.load.inFlight = 3
            $0.load.requests = 1_200
            $0.load.errors = 1
            $0.leaseRemainingMilliseconds = 4_250
        }
    }
}
