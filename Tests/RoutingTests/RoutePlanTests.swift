import Mesh
import Primitives
import Routing
import Testing

@Suite struct RoutePlanTests {
    @Test func `without shares each region is a priority of its own, nearest first`() {
        let plan = mesh().routePlan(
            of: "reports",
            from: "ap",
            endpoints: [worker("e", "eu/a"), worker("u", "us/a"), worker("p", "ap/a")]
        )
        #expect(summary(plan) == [["ap/a=100:p"], ["us/a=100:u"], ["eu/a=100:e"]])
        #expect(
            plan.reasons.map(\.description) == [
                "ap: priority 0, 0 ms away, 1 serving",
                "us: priority 1, 150 ms away, 1 serving",
                "eu: priority 2, 230 ms away, 1 serving",
            ]
        )
    }

    @Test func `a region that nobody serves leaves no hole in the priorities`() {
        let plan = mesh().routePlan(
            of: "reports",
            from: "eu",
            endpoints: [worker("e", "eu/a", health: .notServing), worker("p", "ap/a")]
        )
        #expect(summary(plan) == [["ap/a=100:p"]])
        #expect(
            plan.reasons.map(\.description) == [
                "ap: priority 0, 230 ms away, 1 serving",
                "eu: left out, none of its 1 workers serves",
            ]
        )
    }

    @Test func `zones of a region weigh what their capacities add up to`() {
        let plan = mesh().routePlan(
            of: "reports",
            from: "eu",
            endpoints: [
                worker("1", "eu/b", capacity: 30), worker("2", "eu/a", capacity: 10),
                worker("3", "eu/a", capacity: 5), worker("4", "eu/c", capacity: 0),
            ]
        )
        #expect(summary(plan) == [["eu/a=15:2,3", "eu/b=30:1", "eu/c=1:4"]])
    }

    @Test func `a draining worker is left out, one that does not serve stays listed`() {
        let plan = mesh().routePlan(
            of: "reports",
            from: "eu",
            endpoints: [
                worker("1", "eu/a"), worker("2", "eu/a", health: .draining),
                worker("3", "eu/a", health: .notServing),
            ]
        )
        #expect(summary(plan) == [["eu/a=200:1,3"]])
        #expect(
            plan.reasons.map(\.description) == [
                "eu: priority 0, 0 ms away, 1 serving",
                "eu/a: worker 2 is left out, it drains",
                "eu/a: worker 3 gets nothing, it says that it does not serve",
            ]
        )
    }

    @Test func `an address is listed once, for the worker that serves`() {
        let plan = mesh().routePlan(
            of: "reports",
            from: "eu",
            endpoints: [
                worker("1", "eu/a", health: .notServing, port: 7), worker("3", "us/a", port: 7),
                worker("2", "eu/a", port: 7), worker("4", "eu/a", port: 8),
            ]
        )
        #expect(summary(plan) == [["eu/a=200:2,4"]])
        #expect(
            plan.reasons.map(\.description).dropFirst() == [
                "worker 3 is left out, worker 2 has the same address 127.0.0.1:7",
                "worker 1 is left out, worker 2 has the same address 127.0.0.1:7",
            ]
        )
    }

    @Test func `shares put their regions into priority 0 and the others behind them`() throws {
        var shares = Shares()
        try shares.set(["eu": 80, "us": 20], of: "reports", from: "eu", in: mesh())
        let plan = mesh().routePlan(
            of: "reports",
            from: "eu",
            shares: shares,
            endpoints: [
                worker("1", "eu/a", capacity: 300), worker("2", "eu/b", capacity: 100),
                worker("3", "us/a"), worker("4", "ap/a"),
            ]
        )
        #expect(
            summary(plan) == [["eu/a=6000:1", "eu/b=2000:2", "us/a=2000:3"], ["ap/a=100:4"]]
        )
        #expect(
            plan.reasons.map(\.description) == [
                "shares set by an operator: eu 80 / us 20",
                "eu: priority 0, share 80 of 100 that can be served, 2 serving",
                "us: priority 0, share 20 of 100 that can be served, 1 serving",
                "ap: priority 1, 230 ms away, 1 serving",
            ]
        )
    }

    @Test func `a region with a share that nobody serves leaves its part to the others`() throws {
        let split = try #require(RegionShares(["eu": 50, "us": 30, "ap": 20]))
        let plan = mesh(shares: ["eu": split]).routePlan(
            of: "reports",
            from: "eu",
            endpoints: [worker("3", "us/a"), worker("4", "ap/a")]
        )
        // 30 : 20 as before, so 60 % and 40 % of the whole.
        #expect(summary(plan) == [["ap/a=2000:4", "us/a=3000:3"]])
        #expect(
            plan.reasons.map(\.description) == [
                "shares of the mesh description: eu 50 / us 30 / ap 20",
                "eu: share 50 goes to the other regions with a share, none of its workers serves",
                "us: priority 0, share 30 of 50 that can be served, 1 serving",
                "ap: priority 0, share 20 of 50 that can be served, 1 serving",
            ]
        )
    }

    @Test func `when no region with a share can serve, the nearest other one does`() throws {
        let split = try #require(RegionShares(["us": 100]))
        let plan = mesh(shares: ["eu": split]).routePlan(
            of: "reports",
            from: "eu",
            endpoints: [worker("1", "eu/a"), worker("4", "ap/a")]
        )
        #expect(summary(plan) == [["eu/a=100:1"], ["ap/a=100:4"]])
    }

    @Test func `an operator's nearest first goes over the shares of the mesh`() throws {
        let split = try #require(RegionShares(["us": 100]))
        let mesh = mesh(shares: ["eu": split])
        var shares = Shares()
        try shares.set([:], of: "reports", from: "eu", in: mesh)
        let plan = mesh.routePlan(
            of: "reports",
            from: "eu",
            shares: shares,
            endpoints: [worker("1", "eu/a"), worker("2", "us/a")]
        )
        #expect(summary(plan) == [["eu/a=100:1"], ["us/a=100:2"]])
    }

    @Test func `without anybody to serve the plan is empty and says so`() {
        let plan = mesh().routePlan(of: "reports", from: "eu", endpoints: [])
        #expect(plan.priorities.isEmpty)
        #expect(
            plan.reasons.map(\.description) == ["no worker serves, calls fail with UNAVAILABLE"]
        )
    }

    @Test func `regions that the mesh does not have are named`() {
        let plan = mesh().routePlan(
            of: "reports",
            from: "moon",
            endpoints: [worker("1", "mars/a"), worker("2", "us/a"), worker("3", "eu/a")]
        )
        #expect(summary(plan) == [["eu/a=100:3", "us/a=100:2"]])
        #expect(
            plan.reasons.map(\.description) == [
                "region moon is not in the mesh, so no region is near: all share by capacity",
                "mars: left out, 1 workers are in a region that the mesh does not have",
            ]
        )
    }

    @Test func `weights stay in Envoy's range whatever workers claim`() {
        let endpoints = (0..<5_000).map {
            worker("\($0)", "eu/\($0 % 5)", capacity: .max, port: UInt16($0 + 1))
        }
        let plan = mesh().routePlan(of: "reports", from: "eu", endpoints: endpoints)
        let total = plan.priorities[0].map { UInt64($0.weight) }.reduce(0, +)
        #expect(total <= UInt64(UInt32.max))
        #expect(Set(plan.priorities[0].map(\.weight)).count == 1)
    }

    @Test func `a share of 1 percent reaches each of very many localities`() throws {
        let split = try #require(RegionShares(["eu": 99, "us": 1]))
        let endpoints = (0..<500).map {
            worker("\($0)", $0 == 0 ? "eu/a" : "us/z\($0)", port: UInt16($0 + 1))
        }
        let plan = mesh(shares: ["eu": split]).routePlan(
            of: "reports",
            from: "eu",
            endpoints: endpoints
        )
        let us = plan.priorities[0].filter { $0.locality.region == "us" }.map { Int($0.weight) }
        let eu = plan.priorities[0].filter { $0.locality.region == "eu" }.map { Int($0.weight) }
        #expect(us.allSatisfy { $0 == 1 })
        #expect(eu == [us.reduce(0, +) * 99])
    }

    // MARK: -

    private func mesh(shares: [RegionName: RegionShares] = [:]) -> Mesh {
        Mesh(
            name: "test",
            regions: ["eu", "us", "ap"].map { Region(name: $0) },
            roundTripTimes: RoundTripTimes([
                .init("eu", "us"): .milliseconds(85),
                .init("us", "ap"): .milliseconds(150),
                .init("eu", "ap"): .milliseconds(230),
            ]),
            services: [Service(name: "reports", routes: ["/r/"], shares: shares)]
        )
    }

    private func worker(
        _ id: String,
        _ place: String,
        capacity: Int = 100,
        health: Endpoint.Health = .serving,
        port: UInt16? = nil
    ) -> Endpoint {
        let parts = place.split(separator: "/").map(String.init)
        return Endpoint(
            workerID: WorkerID(id),
            address: EndpointAddress(
                host: "127.0.0.1",
                port: port ?? UInt16(id.utf8.first ?? 1)
            ),
            locality: Locality(region: RegionName(parts[0]), zone: ZoneName(parts[1])),
            capacity: capacity,
            health: health
        )
    }

    /// `locality=weight:workers` for each group of each priority.
    private func summary(_ plan: RoutePlan) -> [[String]] {
        plan.priorities.map { groups in
            groups.map { group in
                let workers = group.endpoints.map(\.workerID.rawValue).sorted()
                return "\(group.locality)=\(group.weight):\(workers.joined(separator: ","))"
            }
        }
    }
}
