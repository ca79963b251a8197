import Mesh
import Primitives
import Testing

@Suite struct SharesTests {
    @Test func `what an operator sets is found again`() throws {
        var shares = Shares()
        try shares.set(["eu": 80, "us": 20], of: "reports", from: "eu", in: mesh())
        let split = try #require(RegionShares(["eu": 80, "us": 20]))
        #expect(shares.preference(of: "reports", from: "eu") == .split(split))
        #expect(shares.preference(of: "reports", from: "us") == nil)
        #expect(split.description == "eu 80 / us 20")
    }

    @Test func `empty shares ask for nearest first`() throws {
        var shares = Shares()
        try shares.set([:], of: "reports", from: "eu", in: mesh())
        #expect(shares.preference(of: "reports", from: "eu") == .nearestFirst)
    }

    @Test func `everything that is wrong is said by field, and nothing changes`() {
        var shares = Shares()
        let error = #expect(throws: InvalidShares.self) {
            try shares.set(["mars": 20, "eu": 70], of: "orders", from: "moon", in: mesh())
        }
        #expect(
            error?.violations.map(\.description) == [
                "service: unknown service \"orders\", expected one of reports",
                "from_region: unknown region \"moon\", expected one of eu, us",
                "shares[mars]: unknown region \"mars\", expected one of eu, us",
                "shares: the shares add up to 90, expected 100",
            ]
        )
        #expect(shares.entries.isEmpty)
    }

    @Test(arguments: [-1, 101, Int.max, Int.min])
    func `a share out of range is refused`(_ percent: Int) {
        var shares = Shares()
        let error = #expect(throws: InvalidShares.self) {
            try shares.set(["eu": percent, "us": 100], of: "reports", from: "eu", in: mesh())
        }
        #expect(error?.violations.map(\.field) == ["shares[eu]"])
        #expect(RegionShares(["eu": percent]) == nil)
    }

    @Test func `a share of zero is the same as none`() {
        #expect(RegionShares(["eu": 100, "us": 0]) == RegionShares(["eu": 100]))
    }

    @Test func `wishes that a new mesh has no place for are dropped and named`() throws {
        var shares = Shares()
        try shares.set(["us": 100], of: "reports", from: "eu", in: mesh())
        try shares.set(["us": 100], of: "reports", from: "us", in: mesh())
        try shares.set(["eu": 100], of: "reports", from: "eu", in: mesh())
        let dropped = shares.meshChanged(to: mesh(regions: ["eu"]))
        #expect(dropped.map(\.from) == ["us"])
        #expect(shares.entries.map(\.from) == ["eu"])
    }

    private func mesh(regions: [RegionName] = ["eu", "us"]) -> Mesh {
        Mesh(
            name: "test",
            regions: regions.map { Region(name: $0) },
            roundTripTimes: RoundTripTimes([:], fallback: .milliseconds(100)),
            services: [Service(name: "reports", routes: ["/r/"])]
        )
    }
}
