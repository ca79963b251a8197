import Primitives
import Quarantine
import Testing
import XDSCore

/// Many nodes and what they have in common.
@Suite struct LedgerTests {
    private static let routes = ResourceReference(.routeConfiguration, "egress")
    private static let old = (0..<16).map { part("s\($0)", 1) }
    private static let culprit = part("s5", 9)

    private var ledger = QuarantineLedger()

    private static func wanted() -> [ObjectPart] {
        old.map { $0.object == culprit.object ? culprit : part(String($0.object.dropFirst(8)), 8) }
    }

    /// Lets the node answer until it gets nothing new; returns how often it answered.
    private static func run(_ ledger: inout QuarantineLedger, _ node: NodeID) -> Int {
        for answers in 1...100 {
            let sent = served(ledger, node)
            let outcome =
                sent.contains(culprit)
                ? ledger.refused(
                    routes,
                    Composition(sent),
                    acceptedBefore: Composition(old),
                    by: node,
                    text: "bad s5"
                )
                : ledger.accepted(routes, Composition(sent), by: node)
            if !outcome.hasMoved { return answers }
        }
        return .max
    }

    private static func served(_ ledger: QuarantineLedger, _ node: NodeID) -> [ObjectPart] {
        let standIns = Dictionary(
            uniqueKeysWithValues: (ledger.substitutions(for: node)[routes] ?? []).map {
                ($0.object, $0.standIn)
            }
        )
        return wanted().compactMap { standIns[$0.object] ?? $0 }
    }

    init() {
        _ = ledger.wantedChanged(of: Self.routes, to: Composition(Self.wanted()))
    }

    @Test func `a node that refused nothing gets everything`() {
        var ledger = ledger
        _ = Self.run(&ledger, "n1")
        let outcome = ledger.accepted(Self.routes, Composition(Self.wanted()), by: "n2")
        #expect(ledger.substitutions(for: "n2").isEmpty)
        #expect(!outcome.hasMoved)
        #expect(ledger.nodeCount == 1)
    }

    @Test func `nodes that refuse the same get the same`() {
        var ledger = ledger
        _ = Self.run(&ledger, "n1")
        _ = Self.run(&ledger, "n2")
        let expected = [
            Self.routes: [
                Substitution(object: "service s5", standIn: part("s5", 1))
            ]
        ]
        #expect(ledger.substitutions(for: "n1") == expected)
        #expect(ledger.substitutions(for: "n2") == expected)
        #expect(ledger.quarantinedObjectCount == 1)
        #expect(ledger.verdictCount == 2)
    }

    @Test func `a verdict is news once, and a hint for all other nodes`() {
        var ledger = ledger
        var news: [Int] = []
        for node in ["n1", "n2"] as [NodeID] {
            var count = 0
            for _ in 0..<20 {
                let sent = Self.served(ledger, node)
                let outcome =
                    sent.contains(Self.culprit)
                    ? ledger.refused(
                        Self.routes,
                        Composition(sent),
                        acceptedBefore: Composition(Self.old),
                        by: node,
                        text: "says nothing"
                    )
                    : ledger.accepted(Self.routes, Composition(sent), by: node)
                count += outcome.verdicts.count
            }
            news.append(count)
        }
        #expect(news == [1, 0])
        // log2(16) + 1 for the first, and one for the second.
        #expect(ledger.probeCount <= 5 + 1)
    }

    @Test func `a name or a quotation in the text is a hint`() {
        let parts = (0..<16).map { index in
            ObjectPart(
                object: "service s\(index)",
                revision: 2,
                bytes: [UInt8(index), 2],
                quotables: ["(x\(index)"]
            )
        }
        for text in ["service s5 is bad", "missing ): (x5"] {
            var ledger = QuarantineLedger()
            _ = ledger.wantedChanged(of: Self.routes, to: Composition(parts))
            _ = ledger.refused(
                Self.routes,
                Composition(parts),
                acceptedBefore: Composition(Self.old),
                by: "n1",
                text: text
            )
            let held = ledger.substitutions(for: "n1")[Self.routes] ?? []
            #expect(held.map(\.object) == ["service s5"])
        }
    }

    @Test func `a change that corrects the culprit gives every node everything`() {
        var ledger = ledger
        _ = Self.run(&ledger, "n1")
        _ = Self.run(&ledger, "n2")
        let moved = ledger.wantedChanged(of: Self.routes, to: Composition(Self.old))
        #expect(moved == ["n1", "n2"])
        #expect(ledger.nodeCount == 0)
        #expect(ledger.quarantinedObjectCount == 0)
        #expect(ledger.reports.isEmpty)
    }

    @Test func `a forgotten node is as one that never came`() {
        var ledger = ledger
        _ = Self.run(&ledger, "n1")
        ledger.nodeForgotten("n1")
        #expect(ledger.substitutions(for: "n1").isEmpty)
        #expect(ledger.quarantinedObjectCount == 0)
    }

    @Test func `more nodes than are remembered cost the oldest its verdicts`() {
        var ledger = QuarantineLedger(limits: QuarantineLimits(maximumNodes: 3))
        _ = ledger.wantedChanged(of: Self.routes, to: Composition(Self.wanted()))
        for number in 0..<100 { _ = Self.run(&ledger, NodeID("n\(number)")) }
        #expect(ledger.nodeCount == 3)
        #expect(ledger.quarantinedObjectCount == 1)
        #expect(ledger.substitutions(for: "n96").isEmpty)
        #expect(!ledger.substitutions(for: "n97").isEmpty)
    }

    @Test func `a report has one line for nodes that agree`() throws {
        var ledger = QuarantineLedger(limits: QuarantineLimits(maximumNodesPerReport: 2))
        _ = ledger.wantedChanged(of: Self.routes, to: Composition(Self.wanted()))
        for node in ["n3", "n1", "n2"] as [NodeID] { _ = Self.run(&ledger, node) }
        let report = try #require(ledger.reports.first)
        #expect(ledger.reports.count == 1)
        #expect(report.object == "service s5")
        #expect(report.revision == 9)
        #expect(report.servedRevision == 1)
        #expect(report.state == .quarantined)
        #expect(report.text == "bad s5")
        #expect(report.nodes == ["n1", "n2"])
        #expect(report.nodeCount == 3)
    }

    @Test func `suspects are in the report while they are searched`() {
        var ledger = ledger
        _ = ledger.refused(
            Self.routes,
            Composition(Self.wanted()),
            acceptedBefore: Composition(Self.old),
            by: "n1",
            text: "says nothing"
        )
        let states = Set(ledger.reports.map(\.state))
        #expect(states == [.searching])
        #expect(ledger.reports.contains { $0.object == "service s5" && $0.revision == 9 })
    }

    @Test func `a long text is cut`() throws {
        var ledger = QuarantineLedger(limits: QuarantineLimits(maximumErrorTextBytes: 10))
        _ = ledger.wantedChanged(of: Self.routes, to: Composition([Self.culprit]))
        _ = ledger.refused(
            Self.routes,
            Composition([Self.culprit]),
            acceptedBefore: Composition([part("s5", 1)]),
            by: "n1",
            text: String(repeating: "x", count: 1_000)
        )
        #expect(ledger.reports.map(\.text) == ["xxxxxxxxxx"])
    }
}
