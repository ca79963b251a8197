import CAllocationCounter
import Testing
import XDSCore

struct PushAllocationTests {
    @Test(.enabled(if: allocation_counting_works()))
    func `planning a push to one more stream stays within its budget`() {
        let before = View.sample("cds a 1, eds a 1, cds b 1, eds b 1")
        let after = before.with("cds a 1, eds a 2, cds b 1, eds b 1")
        var actions: [ADSStream.Action] = []
        actions.reserveCapacity(8)
        // Each stream plans once, so every one after the first is a stream more on the same change.
        func plan(_ stream: inout ADSStream) -> UInt64 {
            actions.removeAll(keepingCapacity: true)
            let start = allocation_count_of_this_thread()
            stream.viewChanged(to: after, appendingTo: &actions)
            return allocation_count_of_this_thread() - start
        }
        var first = settledStream(on: before)
        _ = plan(&first)
        var second = settledStream(on: before)
        let allocations = plan(&second)
        #expect(actions.count == 1)
        // An optimized build allocates the push here; an unoptimized one, as tests are, boxes closures
        // and iterators too. What the budget is there to catch is a list or a dictionary per stream.
        #expect(allocations <= 18)
    }

    /// A stream that has asked for all clusters and endpoints, and acknowledged what it got.
    private func settledStream(on view: View) -> ADSStream {
        var stream = ADSStream(variant: .delta)
        var open = stream.received(DeltaRequest(typeURL: .cluster), in: view)
        open += stream.received(
            DeltaRequest(typeURL: .clusterLoadAssignment, subscribe: ["a", "b"]),
            in: view
        )
        while let action = open.popLast() {
            guard case .send(let push) = action else { continue }
            open += stream.received(
                DeltaRequest(typeURL: push.typeURL, nonce: push.nonce.text),
                in: view
            )
        }
        return stream
    }
}
