import Primitives
import Testing
import XDSCore

struct ViewTests {
    @Test func `equal versions change nothing`() {
        let view = View.sample("cds a 1, eds a 1")
        let next = view.with("eds a 1, cds a 1")
        #expect(next.revision == view.revision)
        #expect(next.journal(of: .cluster) === view.journal(of: .cluster))
    }

    @Test func `a change of one type leaves the journals of the others as they are`() {
        let view = View.sample("cds a 1, eds a 1")
        let next = view.with("cds a 1, eds a 2")
        #expect(next.journal(of: .cluster) === view.journal(of: .cluster))
        #expect(
            next.journal(of: .clusterLoadAssignment) !== view.journal(of: .clusterLoadAssignment)
        )
    }

    @Test func `resources come in the order of their names whatever order they were given in`() {
        let view = View.sample("cds c 1, cds a 1, cds b 1")
        #expect(view.journal(of: .cluster).resources.map(\.name) == ["a", "b", "c"])
    }

    @Test func `of two resources with one name the last one counts`() {
        let view = View.sample("cds a 1, cds b 1, cds a 2")
        #expect(view.journal(of: .cluster).resources.map(\.version) == ["2", "1"])
    }

    @Test func `an earlier snapshot keeps its content when the next one is made`() {
        let view = View.sample("cds a 1")
        _ = view.with("cds b 1")
        #expect(view.journal(of: .cluster).names == ["a"])
    }

    @Test func `the version of a type depends on its content only`() {
        let direct = View.sample("cds a 1, cds b 2", id: 1)
        let detour = View.sample("cds a 7, cds x 1", id: 2).with("cds b 2").with("cds b 2, cds a 1")
        #expect(direct.journal(of: .cluster).version == detour.journal(of: .cluster).version)
        #expect(
            direct.journal(of: .cluster).version
                != View.sample("cds a 2").journal(of: .cluster).version
        )
    }

    @Test func `a type that nobody knows has a journal as any other`() {
        let view = View.sample("example.com/Thing x 1")
        #expect(view.journal(of: "example.com/Thing").names == ["x"])
        #expect(view.with("").journal(of: "example.com/Thing").isEmpty)
    }
}

struct ResourceJournalTests {
    private func changes(_ from: View, _ to: View) -> [String] {
        let (updated, removed) = to.journal(of: .cluster).changes(since: from.journal(of: .cluster))
        return updated.map { "+\($0.name)=\($0.version)" } + removed.map { "-\($0)" }
    }

    @Test func `several changes of one name since a cursor are one`() {
        let first = View.sample("cds a 1, cds b 1")
        let last = first.with("cds a 2, cds b 1").with("cds a 3, cds b 1").with("cds a 4, cds b 1")
        #expect(changes(first, last) == ["+a=4"])
    }

    @Test func `what is gone since a cursor is named`() {
        let first = View.sample("cds a 1, cds b 1")
        #expect(changes(first, first.with("cds b 1")) == ["-a"])
    }

    @Test func `what came and went since a cursor is nothing`() {
        let first = View.sample("cds a 1")
        #expect(changes(first, first.with("cds a 1, cds b 1").with("cds a 1")) == [])
    }

    @Test func `what changed and changed back since a cursor is nothing`() {
        let first = View.sample("cds a 1")
        #expect(changes(first, first.with("cds a 2").with("cds a 1")) == [])
    }

    @Test func `a name that came back is live`() {
        let first = View.sample("cds a 1, cds b 1")
        #expect(changes(first, first.with("cds b 1").with("cds a 2, cds b 1")) == ["+a=2"])
    }

    @Test func `the log is bounded and an older cursor still learns of each removal`() {
        let all = (0..<20).map { "cds n\($0 + 10) 1" }
        let first = View(id: ViewID(1), maximumLoggedChangesPerType: 3)
            .replacing(with: all.map { sample($0) })
        var view = first
        for count in 1...20 {
            view = view.replacing(with: all.dropFirst(count).map { sample($0) })
        }
        #expect(view.journal(of: .cluster).loggedChangeCount == 3)
        #expect(changes(first, view) == (0..<20).map { "-n\($0 + 10)" })
    }

    @Test func `changes at the bound are all remembered`() {
        let view = View(id: ViewID(1), maximumLoggedChangesPerType: 5)
            .with("cds a 1, cds b 1, cds c 1")
            .with("cds c 1")
        #expect(view.journal(of: .cluster).loggedChangeCount == 5)
    }

    @Test func `a change beyond the bound leaves an empty log and an exact difference`() {
        let first = View(id: ViewID(1), maximumLoggedChangesPerType: 2).with("cds a 1")
        let last = first.with("cds a 2, cds b 1, cds c 1")
        #expect(last.journal(of: .cluster).loggedChangeCount == 0)
        #expect(changes(first, last) == ["+a=2", "+b=1", "+c=1"])
    }

    @Test func `two views are compared name by name`() {
        let one = View.sample("cds a 1, cds b 1, cds c 1", id: 1)
        let other = View.sample("cds b 1, cds c 2, cds d 1", id: 2)
        #expect(changes(one, other) == ["+c=2", "+d=1", "-a"])
    }

    @Test(arguments: [0, 1, 3, 1_000])
    func `the changes since any cursor are the difference of the contents`(logged: Int) {
        var random = SeededRandom(seed: UInt64(logged) + 7)
        var history = [View(id: ViewID(1), maximumLoggedChangesPerType: logged)]
        for _ in 0..<60 {
            let resources = (0..<6).filter { _ in Bool.random(using: &random) }.map {
                sample("cds n\($0) \(Int.random(in: 1...3, using: &random))")
            }
            guard let last = history.last else { return }
            history.append(last.replacing(with: resources))
        }
        for (index, from) in history.enumerated() {
            for to in history[index...] {
                #expect(changes(from, to) == naiveDifference(from, to))
            }
        }
    }

    private func naiveDifference(_ from: View, _ to: View) -> [String] {
        let old = from.journal(of: .cluster).resources
        let new = to.journal(of: .cluster).resources
        let updated = new.filter { resource in !old.contains(resource) }
        let removed = old.filter { resource in !new.contains { $0.name == resource.name } }
        return updated.map { "+\($0.name)=\($0.version)" } + removed.map { "-\($0.name)" }
    }
}

/// A view that is changed step by step is the view that is made in one.
struct ViewChangeTests {
    @Test func `changes make the same view as all its resources`() {
        let view = View.sample("cds a 1, cds b 1, eds a 1").applying([
            .put(sample("cds a 2")), .put(sample("cds c 1")),
            .remove(ResourceReference(.cluster, "b")),
        ])
        let expected = View.sample("cds a 2, cds c 1, eds a 1", id: 2)
        #expect(view.journal(of: .cluster).resources == expected.journal(of: .cluster).resources)
        #expect(view.journal(of: .cluster).version == expected.journal(of: .cluster).version)
    }

    @Test func `changes of nothing leave the view as it is`() {
        let view = View.sample("cds a 1")
        let same = view.applying([
            .put(sample("cds a 1")), .remove(ResourceReference(.cluster, "x")),
        ])
        #expect(same.revision == view.revision)
    }

    @Test func `of two changes of one resource the last one counts`() {
        let view = View.sample("cds a 1").applying([
            .put(sample("cds a 2")), .remove(ResourceReference(.cluster, "a")),
        ])
        #expect(view.journal(of: .cluster).isEmpty)
    }

    @Test func `a new time to live is a change`() {
        let lasting = sample("cds a 1")
        let view = View(id: ViewID(1)).replacing(with: [lasting])
        let next = view.applying([.put(lasting.living(for: .seconds(9)))])
        #expect(next.journal(of: .cluster).version != view.journal(of: .cluster).version)
        #expect(next.shortestTimeToLive == .seconds(9))
        #expect(next.applying([.put(lasting)]).shortestTimeToLive == nil)
    }

    @Test(arguments: 0..<20)
    func `any changes of many resources make the same as naive ones`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var naive = [ResourceName: EncodedResource]()
        var view = View(id: ViewID(1), maximumLoggedChangesPerType: 40)
        for step in 0..<60 {
            let changes = (0..<Int.random(in: 1...12, using: &random)).map { _ in
                let name = ResourceName("n\(Int.random(in: 0..<300, using: &random))")
                return Int.random(in: 0..<5, using: &random) < 2
                    ? ResourceChange.remove(ResourceReference(.cluster, name))
                    : .put(sample("cds \(name) \(step)"))
            }
            for change in changes {
                switch change {
                case .put(let resource): naive[resource.name] = resource
                case .remove(let reference): naive[reference.name] = nil
                }
            }
            let before = view
            view = view.applying(changes)
            let journal = view.journal(of: .cluster)
            #expect(journal.resources == naive.values.sorted { $0.name < $1.name })
            #expect(journal.names == journal.resources.map(\.name))
            #expect(journal.count == naive.count)
            let (updated, removed) = journal.changes(since: before.journal(of: .cluster))
            #expect(updated.allSatisfy { $0.version.rawValue == "\(step)" })
            #expect(removed.allSatisfy { naive[$0] == nil })
        }
    }
}
