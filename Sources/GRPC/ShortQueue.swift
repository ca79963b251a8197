import DequeModule

/// A queue whose first element needs no allocation.
///
/// For the queues of a stream, which nearly always hold one element at most.
struct ShortQueue<Element> {
    private var head: Element?
    private var rest = Deque<Element>()

    init() {}

    @inline(__always)
    var isEmpty: Bool { head == nil }

    var count: Int { head == nil ? 0 : 1 + rest.count }

    @inline(__always)
    mutating func append(_ element: Element) {
        if head == nil {
            head = element
        } else {
            rest.append(element)
        }
    }

    @inline(__always)
    mutating func popFirst() -> Element? {
        guard let first = head.take() else { return nil }
        if !rest.isEmpty { head = rest.removeFirst() }
        return first
    }

    /// Shows what is in the queue, without the first `skipped`.
    func forEach(from skipped: Int, _ body: (Element) -> Void) {
        if skipped == 0, let head { body(head) }
        for element in rest.dropFirst(max(0, skipped - 1)) { body(element) }
    }

    mutating func removeAll() {
        head = nil
        rest.removeAll()
    }
}
