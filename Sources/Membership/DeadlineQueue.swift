/// Deadlines by slot, the earliest first: a binary heap that knows where each slot is.
///
/// Every slot is in it at most once, so its size is the number of slots. A plain heap with entries left behind for
/// slots that changed would grow with the number of changes.
struct DeadlineQueue: Sendable {
    private struct Entry: BitwiseCopyable {
        var slot: Int
        var deadline: MonotonicInstant
    }

    private var heap: [Entry] = []
    /// Where each slot is in `heap`; -1 when it is not.
    private var positions: [Int] = []

    /// The slot with the earliest deadline.
    var first: (slot: Int, deadline: MonotonicInstant)? {
        heap.first.map { ($0.slot, $0.deadline) }
    }

    /// Puts the slot in, or moves it to another deadline.
    mutating func set(_ slot: Int, to deadline: MonotonicInstant) {
        if slot >= positions.count {
            positions += Array(repeating: -1, count: slot + 1 - positions.count)
        }
        var position = positions[slot]
        if position < 0 {
            position = heap.count
            positions[slot] = position
            heap.append(Entry(slot: slot, deadline: deadline))
        } else {
            heap[position].deadline = deadline
        }
        settle(position)
    }

    /// Takes the slot out.
    mutating func remove(_ slot: Int) {
        let position = positions[slot]
        precondition(position >= 0, "slot \(slot) has no deadline")
        positions[slot] = -1
        let last = heap.removeLast()
        guard position < heap.count else { return }
        heap[position] = last
        positions[last.slot] = position
        settle(position)
    }

    private mutating func settle(_ start: Int) {
        var position = start
        while position > 0, heap[position].deadline < heap[(position - 1) / 2].deadline {
            swap(position, (position - 1) / 2)
            position = (position - 1) / 2
        }
        while let child = earlierChild(of: position), heap[child].deadline < heap[position].deadline
        {
            swap(position, child)
            position = child
        }
    }

    private func earlierChild(of position: Int) -> Int? {
        let left = 2 * position + 1
        guard left < heap.count else { return nil }
        guard left + 1 < heap.count, heap[left + 1].deadline < heap[left].deadline else {
            return left
        }
        return left + 1
    }

    private mutating func swap(_ a: Int, _ b: Int) {
        heap.swapAt(a, b)
        positions[heap[a].slot] = a
        positions[heap[b].slot] = b
    }
}
