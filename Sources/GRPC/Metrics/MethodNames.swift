import Synchronization

/// Numbers for the methods that a client calls, given out in the order of their first calls.
///
/// Lookups are lock-free, as every call makes some: an open hash table of a fixed size whose
/// entries are added and never changed. Once it has its maximum, further methods have no number.
// SAFETY (@unchecked Sendable): `slots` points to atomics and is itself never changed.
final class MethodNames: @unchecked Sendable {
    private final class Entry: Sendable {
        let name: String
        let number: Int

        init(name: String, number: Int) {
            self.name = name
            self.number = number
        }
    }

    private let maximum: Int
    private let slots: UnsafeMutableBufferPointer<AtomicLazyReference<Entry>>
    /// Held only to add a name.
    private let names = Mutex<[String]>([])

    init(maximum: Int) {
        self.maximum = maximum
        var size = 16
        while size < maximum * 4 { size *= 2 }
        slots = .allocate(capacity: size)
        for index in slots.indices {
            slots.initializeElement(at: index, to: AtomicLazyReference())
        }
    }

    deinit {
        slots.deinitialize()
        slots.deallocate()
    }

    /// In the order of their numbers.
    var all: [String] { names.withLock { $0 } }

    /// Nil when the maximum of other names is known.
    func number(of name: String) -> Int? {
        find(name) ?? add(name)
    }

    private func find(_ name: String) -> Int? {
        var slot = hash(name)
        // The table is at most a quarter full, so there is a free slot to stop at.
        while let entry = slots[slot].load() {
            if entry.name == name { return entry.number }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private func add(_ name: String) -> Int? {
        names.withLock { names in
            // Another thread may have been faster.
            if let number = find(name) { return number }
            guard names.count < maximum else { return nil }
            var slot = hash(name)
            while slots[slot].load() != nil { slot = (slot + 1) & (slots.count - 1) }
            _ = slots[slot].storeIfNil(Entry(name: name, number: names.count))
            names.append(name)
            return names.count - 1
        }
    }

    /// FNV-1a; the names are our own, so nobody can aim for collisions.
    private func hash(_ name: String) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return Int(truncatingIfNeeded: hash ^ (hash >> 32)) & (slots.count - 1)
    }
}
