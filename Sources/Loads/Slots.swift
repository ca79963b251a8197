/// Elements at places that don't move, so that an index is a reference.
///
/// A place is used again after its element was removed: whoever keeps an index keeps the element from being
/// removed.
struct Slots<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private var free: [Int] = []

    var count: Int { elements.count - free.count }

    mutating func insert(_ element: Element) -> Int {
        guard let index = free.popLast() else {
            elements.append(element)
            return elements.count - 1
        }
        elements[index] = element
        return index
    }

    /// - Parameter blank: what stands there until the place is used again, so that the element is freed.
    mutating func remove(at index: Int, leaving blank: Element) {
        elements[index] = blank
        free.append(index)
    }

    subscript(index: Int) -> Element {
        get { elements[index] }
        _modify { yield &elements[index] }
    }
}
