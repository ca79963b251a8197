import Foundation
import Mesh
import Primitives
import Testing
import YAML

@Suite struct MeshDecodingTests {
    @Test func `the example is read whole`() throws {
        let mesh = try Mesh.parse(try Self.example(), file: "three-regions.yaml")
        #expect(mesh.name == "three-regions")
        #expect(mesh.regions.map(\.name) == ["eu", "us", "ap"])
        #expect(mesh.regions.first?.zones == ["eu-a", "eu-b"])
        #expect(mesh.roundTripTimes.between("ap", "eu") == .milliseconds(230))
        #expect(mesh.regionsByDistance(from: "ap")?.map(\.region) == ["ap", "us", "eu"])
        #expect(mesh.sidecarListenAddress == EndpointAddress(host: "127.0.0.1", port: 15001))
        let service = try #require(mesh.service(named: "reports"))
        #expect(service.routes == ["/meridian.v1.ReportService/"])
        #expect(service.timeout == .seconds(3))
        #expect(service.retries == Service.Retries())
        #expect(service.lease == .seconds(5))
        #expect(service.shares.isEmpty)
    }

    @Test func `what is left out has a default`() throws {
        let mesh = try Mesh.parse(
            """
            apiVersion: meridian/v1
            kind: Mesh
            name: small
            regions: [{name: eu}]
            services: [{name: reports, routes: [/r/], timeout: 200ms}]
            """,
            file: "m.yaml"
        )
        let service = try #require(mesh.service(named: "reports"))
        #expect(mesh.sidecarListenAddress == Mesh.defaultSidecarListenAddress)
        #expect(service.lease == Service.defaultLease)
        // A try can't be allowed to take longer than the whole call.
        #expect(service.retries.perTryTimeout == .milliseconds(200))
    }

    @Test func `how workers are told from dead ones is read, and is off or standard without`()
        throws
    {
        let text = try Self.edited(
            "massExpiry: {percent: 50, workers: 3}",
            to:
                "massExpiry: {percent: 30, workers: 0}\n    healthProbe: {interval: 2s, failures: 2}"
        )
        let service = try Mesh.parse(text, file: "m.yaml").service(named: "reports")
        let standard = try Mesh.parse(try Self.example(), file: "m.yaml").service(named: "reports")
        #expect(service?.massExpiry == Service.MassExpiry(percent: 30, workers: 0))
        #expect(service?.healthProbe == Service.HealthProbe(interval: .seconds(2), failures: 2))
        #expect(standard?.massExpiry == Service.MassExpiry())
        #expect(standard?.healthProbe == nil)
    }

    @Test func `a route is a prefix, or a prefix with headers`() throws {
        let text = try Self.edited(
            "[/meridian.v1.ReportService/]",
            to: """
                [/a/, {prefix: /a/, headers: [{name: x-tenant, exact: one}, \
                {name: x-plan, prefix: gold}]}, {prefix: /b/, headers: [{name: x, regex: "(t"}]}]
                """
        )
        let mesh = try Mesh.parse(text, file: "m.yaml")
        let routes = mesh.service(named: "reports")?.routes
        #expect(
            routes == [
                "/a/",
                Service.Route(
                    prefix: "/a/",
                    headers: [
                        Service.HeaderMatch(name: "x-tenant", pattern: .exact("one")),
                        Service.HeaderMatch(name: "x-plan", pattern: .prefix("gold")),
                    ]
                ),
                // Whether it is an expression, only the proxies know.
                Service.Route(
                    prefix: "/b/",
                    headers: [Service.HeaderMatch(name: "x", pattern: .regex("(t"))]
                ),
            ]
        )
    }

    @Test func `a route has so many headers and no more`() throws {
        func text(_ count: Int) throws -> String {
            let headers = (0..<count).map { "{name: x-\($0), exact: a}" }
            return try Self.edited(
                "[/meridian.v1.ReportService/]",
                to: "[{prefix: /a/, headers: [\(headers.joined(separator: ", "))]}]"
            )
        }
        let most = try Mesh.parse(text(Mesh.maximumHeadersPerRoute), file: "m.yaml")
        #expect(most.services.first?.routes.first?.headers.count == Mesh.maximumHeadersPerRoute)
        #expect(throws: Diagnostics.self) {
            try Mesh.parse(text(Mesh.maximumHeadersPerRoute + 1), file: "m.yaml")
        }
    }

    @Test func `shares are read for each consumer region`() throws {
        let text = try Self.edited(
            "lease: 5s",
            to: "shares: [{from: eu, to: {eu: 80, us: 20, ap: 0}}]"
        )
        let mesh = try Mesh.parse(text, file: "m.yaml")
        let shares = mesh.service(named: "reports")?.shares
        #expect(shares == ["eu": try #require(RegionShares(["eu": 80, "us": 20]))])
    }

    struct Mistake: CustomTestStringConvertible {
        let old: String
        let new: String
        let message: String
        var testDescription: String { new }

        init(_ old: String, _ new: String, _ message: String) {
            self.old = old
            self.new = new
            self.message = message
        }
    }

    static let mistakes = [
        Mistake(
            "apiVersion: meridian/v1",
            "apiVersion: meridian/v2",
            "m.yaml:1:13: field \"apiVersion\": expected \"meridian/v1\", got \"meridian/v2\""
        ),
        Mistake(
            "kind: Mesh",
            "kind: Net",
            "m.yaml:2:7: field \"kind\": expected \"Mesh\", got \"Net\""
        ),
        Mistake(
            "name: three-regions",
            "name: Three",
            "m.yaml:3:7: field \"name\": expected a name"
        ),
        Mistake(
            "- name: us\n",
            "- name: eu\n",
            "m.yaml:7:11: region \"eu\" is described twice, expected unique names"
        ),
        Mistake(
            "[eu-a, eu-b]",
            "[eu-a, eu-a]",
            "m.yaml:6:19: zone \"eu-a\" is named twice in region \"eu\", expected unique names"
        ),
        Mistake(
            "[eu, us]",
            "[eu, mars]",
            "m.yaml:12:19: unknown region \"mars\", expected one of ap, eu, us"
        ),
        Mistake(
            "[eu, us]",
            "[eu, eu]",
            "m.yaml:12:14: a round-trip time from \"eu\" to itself, expected two different regions"
        ),
        Mistake(
            "[eu, us]",
            "[us, ap]",
            "m.yaml:14:14: the round-trip time between \"us\" and \"ap\" is given twice, expected once"
        ),
        Mistake(
            "[eu, us]",
            "[us, ap]",
            "m.yaml:12:3: no round-trip time between \"eu\" and \"us\", "
                + "expected \"between: [eu, us]\" or a \"defaultRoundTripTime\""
        ),
        Mistake(
            "time: 85ms",
            "time: -1ms",
            "m.yaml:13:11: field \"time\": expected a duration from 0s to 1m"
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[meridian.v1.ReportService/]",
            "m.yaml:20:14: field \"routes\": expected a path prefix that starts with '/'"
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[/a/, /a/]",
            "m.yaml:20:19: route \"/a/\" is taken by service \"reports\" already, "
                + "expected each route once"
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[5, {prefix: /a/}, {prefix: /a/, headers: []}]",
            "m.yaml:20:14: field \"routes\": expected a path prefix that starts with '/'"
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[/a/, {prefix: /a/, headers: []}]",
            "m.yaml:20:19: route \"/a/\" is taken by service \"reports\" already, "
                + "expected each route once"
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[{prefix: /a/, headers: [{name: x, exact: 1}]}, "
                + "{prefix: /a/, headers: [{name: x, exact: 1}]}]",
            "m.yaml:20:61: route \"/a/ with x\" is taken by service \"reports\" already, "
                + "expected each route once"
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[{prefix: /a/, headers: [{name: X-Tenant, exact: one}]}]",
            "m.yaml:20:45: field \"name\": expected a header name in lower case"
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[{prefix: /a/, headers: [{name: x}]}]",
            "m.yaml:20:38: header \"x\" has nothing to match, expected one of exact, prefix, regex"
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[{prefix: /a/, headers: [{name: x, exact: a, regex: b}]}]",
            "m.yaml:20:38: header \"x\" has exact and regex to match, "
                + "expected one of exact, prefix, regex"
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[{prefix: /a/, headers: [{name: x, regex: \"\"}]}]",
            "m.yaml:20:55: field \"regex\": expected a text of 1 to 1024 characters"
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[{prefix: /a/, header: []}]",
            "m.yaml:20:28: unknown field \"header\""
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[{headers: []}]",
            "m.yaml:20:14: missing field \"prefix\""
        ),
        Mistake(
            "[/meridian.v1.ReportService/]",
            "[]",
            "m.yaml:20:13: field \"routes\": 0 elements, expected a sequence of 1 to 64 elements"
        ),
        Mistake(
            "perTryTimeout: 1s",
            "perTryTimeout: 5s",
            "m.yaml:24:22: perTryTimeout 5s is longer than the service's timeout, "
                + "expected at most 3s"
        ),
        Mistake(
            "lease: 5s",
            "lease: 500ms",
            "m.yaml:27:12: field \"lease\": expected a duration from 1s to 1m"
        ),
        Mistake(
            "massExpiry: {percent: 50, workers: 3}",
            "massExpiry: {percent: 0, workers: 3}",
            "m.yaml:28:27: field \"percent\": expected an integer from 1 to 100, got \"0\""
        ),
        Mistake(
            "massExpiry: {percent: 50, workers: 3}",
            "massExpiry: {percentage: 40}",
            "m.yaml:28:18: unknown field \"percentage\""
        ),
        Mistake(
            "massExpiry: {percent: 50, workers: 3}",
            "healthProbe: {interval: 100ms}",
            "m.yaml:28:29: field \"interval\": expected a duration from 1s to 10m"
        ),
        Mistake(
            "massExpiry: {percent: 50, workers: 3}",
            "healthProbe: {interval: 1s, timeout: 2s}",
            "m.yaml:28:42: timeout 2s is longer than the interval, expected at most 1s"
        ),
        Mistake(
            "lease: 5s",
            "shares: [{from: eu, to: {eu: 80, us: 30}}]",
            "m.yaml:27:29: the shares add up to 110, expected 100"
        ),
        Mistake(
            "lease: 5s",
            "shares: [{from: eu, to: {eu: 80, mars: 20}}]",
            "m.yaml:27:38: unknown region \"mars\", expected one of ap, eu, us"
        ),
        Mistake(
            "lease: 5s",
            "shares: [{from: mars, to: {eu: 100}}]",
            "m.yaml:27:21: unknown region \"mars\", expected one of ap, eu, us"
        ),
        Mistake(
            "lease: 5s",
            "shares: [{from: eu, to: {eu: 100}}, {from: eu, to: {us: 100}}]",
            "m.yaml:27:48: the shares of consumers in \"eu\" are given twice, expected once"
        ),
        Mistake(
            "lease: 5s",
            "shares: [{from: eu, to: {eu: 180}}]",
            "m.yaml:27:34: field \"eu\": expected an integer from 0 to 100, got \"180\""
        ),
        Mistake(
            "127.0.0.1:15001",
            "localhost:15001",
            "m.yaml:30:11: field \"listen\": expected an IP address and a port"
        ),
        Mistake(
            "lease: 5s",
            "laese: 5s",
            "m.yaml:27:5: unknown field \"laese\""
        ),
    ]

    @Test(arguments: mistakes)
    func `a mistake is reported where it is`(_ mistake: Mistake) throws {
        let text = try Self.edited(mistake.old, to: mistake.new)
        let error = #expect(throws: Diagnostics.self) {
            try Mesh.parse(text, file: "m.yaml")
        }
        let messages = error?.all.map(\.description) ?? []
        #expect(messages.contains { $0.hasPrefix(mistake.message) }, "\(messages)")
    }

    @Test func `several mistakes are reported at once and in order`() {
        let error = #expect(throws: Diagnostics.self) {
            try Mesh.parse(
                """
                apiVersion: meridian/v1
                kind: Mesh
                regions: [{name: eu}, {name: us}]
                services:
                  - name: reports
                    routes: [nope]
                    shares: [{from: eu, to: {eu: 50}}]
                """,
                file: "m.yaml"
            )
        }
        let places = error?.all.map { "\($0.line):\($0.column)" }
        #expect(places == ["1:1", "1:1", "6:14", "7:29"], "\(error?.description ?? "")")
    }

    @Test func `a default time stands in for pairs that are not named`() throws {
        let mesh = try Mesh.parse(
            """
            apiVersion: meridian/v1
            kind: Mesh
            name: small
            regions: [{name: eu}, {name: us}, {name: ap}]
            defaultRoundTripTime: 200ms
            roundTripTimes: [{between: [us, eu], time: 80ms}]
            services: [{name: reports, routes: [/r/]}]
            """,
            file: "m.yaml"
        )
        let distances = mesh.regionsByDistance(from: "eu")
        #expect(distances?.map(\.region) == ["eu", "us", "ap"])
        #expect(distances?.map(\.roundTripTime) == [.zero, .milliseconds(80), .milliseconds(200)])
        #expect(mesh.regionsByDistance(from: "mars") == nil)
    }

    // MARK: -

    /// The example without comments and empty lines, with one change.
    private static func edited(_ old: String, to new: String) throws -> String {
        let lines = try example().split(separator: "\n").filter {
            !$0.drop { $0 == " " }.hasPrefix("#")
        }
        let text = lines.joined(separator: "\n") + "\n"
        let range = try #require(text.firstRange(of: old))
        return text.replacingCharacters(in: range, with: new)
    }

    private static func example() throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return try String(
            contentsOf: root.appending(path: "xds/examples/three-regions.yaml"),
            encoding: .utf8
        )
    }
}
