import Membership
import Primitives
import Testing

@Suite struct RegistrationRulesTests {
    @Test(arguments: [
        ("registration.worker_id", RegistrationRequest.sample().with { $0.workerID = "" }),
        ("registration.worker_id", .sample().with { $0.workerID = "a/b" }),
        ("registration.worker_id", .sample().with { $0.workerID = "a b" }),
        ("registration.worker_id", .sample().with { $0.workerID = "ä" }),
        ("registration.worker_id", .sample().with { $0.workerID = "a\0" }),
        ("registration.service", .sample().with { $0.service = "" }),
        ("registration.service", .sample().with { $0.service = "payroll" }),
        ("registration.version", .sample().with { $0.version = "1.0\n" }),
        ("registration.locality.region", .sample().with { $0.region = "" }),
        ("registration.locality.region", .sample().with { $0.region = "mars" }),
        ("registration.locality.zone", .sample().with { $0.zone = "eu-z" }),
        ("registration.locality.sub_zone", .sample().with { $0.subZone = "rack 7" }),
        ("registration.address.host", .sample().with { $0.host = "" }),
        ("registration.address.host", .sample().with { $0.host = "worker.example" }),
        ("registration.address.host", .sample().with { $0.host = "0.0.0.0" }),
        ("registration.address.host", .sample().with { $0.host = "::" }),
        ("registration.address.host", .sample().with { $0.host = "::ffff:0.0.0.0" }),
        ("registration.address.host", .sample().with { $0.host = "224.0.0.1" }),
        ("registration.address.host", .sample().with { $0.host = "255.255.255.255" }),
        ("registration.address.host", .sample().with { $0.host = "ff02::1" }),
        ("registration.address.port", .sample().with { $0.port = 0 }),
        ("registration.address.port", .sample().with { $0.port = 65536 }),
        ("registration.capacity", .sample().with { $0.capacity = 0 }),
        ("registration.lease", .sample().with { $0.lease = .milliseconds(999) }),
        ("registration.lease", .sample().with { $0.lease = .milliseconds(60_001) }),
        ("registration.lease", .sample().with { $0.lease = .seconds(-5) }),
        ("registration.lease", .sample().with { $0.lease = .seconds(Int64.max) }),
    ])
    func `a refusal names the field`(field: String, request: RegistrationRequest) {
        var machine = machine()
        let refusal = machine.refusal(request)
        #expect(refusal?.field == field)
        #expect(refusal?.kind == .invalid)
        #expect(machine.count == 0)
    }

    @Test(arguments: [
        RegistrationRequest.sample().with { $0.workerID = String(repeating: "w", count: 253) },
        .sample().with { $0.version = String(repeating: "1", count: 128) },
        .sample().with { $0.version = "" },
        .sample().with { $0.zone = "" },
        .sample().with { ($0.region, $0.zone) = ("us", "anything") },
        .sample().with { $0.subZone = String(repeating: "z", count: 128) },
        .sample().with { $0.port = 65535 },
        .sample().with { $0.port = 1 },
        .sample().with { $0.capacity = 1 },
        .sample().with { $0.capacity = 1_000_000 },
        .sample().with { $0.lease = .seconds(1) },
        .sample().with { $0.lease = .seconds(60) },
        .sample().with { $0.host = "2001:db8::1" },
    ])
    func `a registration at a limit is granted`(request: RegistrationRequest) {
        var machine = machine()
        let refusal = machine.refusal(request)
        #expect(refusal == nil)
    }

    @Test(arguments: [
        (
            "registration.worker_id",
            RegistrationRequest.sample().with { $0.workerID = String(repeating: "w", count: 254) }
        ),
        (
            "registration.service",
            .sample().with { $0.service = String(repeating: "s", count: 254) }
        ),
        (
            "registration.version",
            .sample().with { $0.version = String(repeating: "1", count: 129) }
        ),
        (
            "registration.locality.region",
            .sample().with { $0.region = String(repeating: "r", count: 254) }
        ),
        (
            "registration.locality.zone",
            .sample().with { $0.zone = String(repeating: "z", count: 254) }
        ),
        (
            "registration.locality.sub_zone",
            .sample().with { $0.subZone = String(repeating: "z", count: 129) }
        ),
        ("registration.capacity", .sample().with { $0.capacity = 1_000_001 }),
    ])
    func `a registration past a limit is refused`(field: String, request: RegistrationRequest) {
        var machine = machine()
        let refusal = machine.refusal(request)
        #expect(refusal?.field == field)
    }

    @Test func `a worker that asks for no lease gets its service's`() {
        var machine = machine()
        let reports = machine.grant(.sample("w1", port: 1), stream: 1)
        let billing = machine.grant(
            .sample("w2", port: 2).with { $0.service = "billing" },
            stream: 2
        )
        #expect(reports.lease == .seconds(5))
        #expect(billing.lease == .seconds(10))
        #expect(billing.heartbeatInterval == .seconds(10) / 3)
    }

    @Test func `a service's lease is held inside the range that workers may ask for`() {
        var machine = MembershipMachine(
            directory: MeshDirectory(
                regions: ["eu": []],
                services: ["reports": .seconds(600), "billing": .zero]
            ),
            limits: MembershipLimits()
        )
        let long = machine.grant(.sample("w1", port: 1), stream: 1)
        let short = machine.grant(.sample("w2", port: 2).with { $0.service = "billing" }, stream: 2)
        #expect(long.lease == .seconds(60))
        #expect(short.lease == .seconds(1))
    }

    @Test func `a change of the mesh decides about later registrations and keeps the present ones`()
    {
        var machine = machine()
        _ = machine.grant(stream: 1)
        machine.directoryChanged(
            to: MeshDirectory(regions: ["us": []], services: ["reports": .seconds(5)])
        )
        let refusal = machine.refusal(.sample("w2", port: 9002), stream: 2)
        #expect(refusal?.field == "registration.locality.region")
        #expect(machine.endpoints(of: "reports").map(\.workerID) == ["w1"])
    }

    @Test func `the last free place is granted and the next worker is told of the limit`() {
        var limits = MembershipLimits()
        limits.maximumRegistrations = 2
        var machine = machine(limits: limits)
        _ = machine.grant(.sample("w1", port: 1), stream: 1)
        _ = machine.grant(.sample("w2", port: 2), stream: 2)
        let refusal = machine.refusal(.sample("w3", port: 3), stream: 3)
        #expect(refusal?.kind == .exhausted)
        #expect(refusal?.field == "registration")
    }

    @Test func `a full table still takes successors`() {
        var limits = MembershipLimits()
        limits.maximumRegistrations = 1
        var machine = machine(limits: limits)
        _ = machine.grant(.sample("w1"), stream: 1)
        _ = machine.grant(.sample("w1", port: 9002), stream: 2)
        let neighbour = machine.grant(
            .sample("w2", port: 9002),
            stream: 3,
            at: .seconds(3)
        )
        #expect(neighbour.epoch == 3)
        #expect(machine.count == 1)
    }

    @Test func `a second registration on one stream is refused and changes nothing`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let refusal = machine.refusal(.sample("w2", port: 9002), stream: 1)
        #expect(refusal?.field == "registration")
        #expect(machine.endpoints(of: "reports").map(\.workerID) == ["w1"])
    }

    @Test func `labels are taken up to their limits and not beyond`() {
        var limits = MembershipLimits()
        limits.maximumLabels = 2
        limits.maximumLabelBytes = 10
        var machine = machine(limits: limits)
        let taken = machine.grant(
            .sample().with { $0.labels = ["a": "1234", "b": "1234"] },
            stream: 1
        )
        let refusals = [
            ["a": "1", "b": "1", "c": "1"],
            ["a": "1234", "b": "12345"],
            ["": "1"],
            ["a": "1 2"],
        ]
        .map { labels in machine.refusal(.sample().with { $0.labels = labels }, stream: 2) }
        #expect(taken.epoch == 1)
        #expect(refusals.map { $0?.kind } == [.invalid, .invalid, .invalid, .invalid])
        #expect(refusals.allSatisfy { $0?.field.hasPrefix("registration.labels") == true })
        #expect(machine.highestEpoch == 1)
    }

    @Test func `a megabyte of labels is refused by its size`() {
        var machine = machine()
        let labels = ["a": String(repeating: "x", count: 1_048_576)]
        let refusal = machine.refusal(.sample().with { $0.labels = labels })
        #expect(refusal?.description.contains("at most 4096 bytes") == true)
    }

    @Test func `a worker that registers too often is refused until its time has come`() {
        var machine = machine()
        for stream in 1...10 as ClosedRange<UInt64> { _ = machine.grant(stream: StreamID(stream)) }
        let refusal = machine.refusal(.sample(), stream: 11)
        let other = machine.grant(.sample("w2", port: 9002), stream: 12)
        let early = machine.refusal(.sample(), stream: 13, at: .seconds(0.499))
        let later = machine.grant(stream: 14, at: .seconds(0.5))
        #expect(refusal?.kind == .exhausted)
        #expect(refusal?.field == "registration.worker_id")
        #expect(other.epoch == 11)
        #expect(early?.kind == .exhausted)
        #expect(later.epoch == 12)
    }
}
