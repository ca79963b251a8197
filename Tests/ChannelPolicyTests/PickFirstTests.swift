import ChannelPolicy
import Primitives
import Testing

/// A load balancer in short words: subchannels are numbers.
struct Balancer: ~Copyable {
    var machine: LoadBalancer
    var random = SeededRandom(seed: 1)
    var picks = PickState(seed: 1)
    var now = MonotonicTime.zero
    var picker = Picker.queueing

    init(_ policy: LoadBalancingPolicy) {
        machine = LoadBalancer(policy)
    }

    mutating func addresses(
        _ list: [Int],
        _ states: [Int: ConnectivityState] = [:]
    )
        -> BalancerUpdate
    {
        let statuses = list.map { SubchannelStatus(SubchannelID($0), states[$0] ?? .idle) }
        return publish(machine.addressesChanged(statuses, now: now, using: &random))
    }

    @discardableResult
    mutating func change(_ id: Int, _ state: ConnectivityState) -> BalancerUpdate {
        publish(machine.subchannelChanged(SubchannelID(id), to: state, now: now))
    }

    @discardableResult
    mutating func timer() -> BalancerUpdate { publish(machine.timerFired(now: now)) }

    @discardableResult
    mutating func queued() -> BalancerUpdate { publish(machine.callQueued()) }

    mutating func pick(inFlight: (Int) -> Int = { _ in 0 }) -> PickResult {
        picker.pick(using: &picks) { inFlight($0.rawValue) }
    }

    private mutating func publish(_ update: BalancerUpdate) -> BalancerUpdate {
        picker = update.picker ?? picker
        return update
    }
}

func failed(_ id: Int) -> ConnectivityState {
    .transientFailure(ChannelFailure("subchannel \(id) refused"))
}

extension BalancerUpdate {
    var connecting: [Int] { connect.map(\.rawValue) }
    var releasing: [Int] { release.map(\.rawValue) }
}

@Suite struct PickFirstTests {
    private static let delay = BalancerUpdate.Timer.start(after: .milliseconds(250))

    private static func balancer(_ list: [Int]) -> Balancer {
        var balancer = Balancer(.standard)
        _ = balancer.addresses(list)
        return balancer
    }

    @Test func `the first address is tried first and calls wait`() {
        var balancer = Balancer(.standard)
        let update = balancer.addresses([1, 2, 3])
        #expect(update.state == .connecting)
        #expect(update.connecting == [1])
        #expect(update.timer == Self.delay)
        #expect(balancer.pick() == .queue)
    }

    @Test func `an address that connects carries all calls`() {
        var balancer = Self.balancer([1, 2])
        let update = balancer.change(1, .ready)
        let picks = (0..<3).map { _ in balancer.pick() }
        #expect(update.state == .ready && update.timer == .cancel)
        #expect(picks == Array(repeating: .subchannel(SubchannelID(1)), count: 3))
    }

    @Test func `the next address is tried beside a slow one, and the last has no timer`() {
        var balancer = Self.balancer([1, 2])
        let update = balancer.timer()
        #expect(update.connecting == [2])
        #expect(update.timer == .cancel)
        #expect(balancer.timer().connecting == [])
    }

    @Test func `the next address is tried at once when one fails`() {
        var balancer = Self.balancer([1, 2, 3])
        let update = balancer.change(1, failed(1))
        #expect(update.connecting == [2])
        #expect(update.timer == Self.delay)
        #expect(update.state == .connecting)
    }

    @Test func `an earlier address that fails late starts nothing`() {
        var balancer = Self.balancer([1, 2, 3])
        balancer.timer()
        let update = balancer.change(1, failed(1))
        #expect(update.connecting == [] && update.timer == .keep)
    }

    @Test func `the first connection wins and the other attempts are given up`() {
        var balancer = Self.balancer([1, 2, 3])
        balancer.timer()
        balancer.timer()
        balancer.change(1, failed(1))
        let update = balancer.change(2, .ready)
        #expect(update.releasing == [1, 3])
        #expect(balancer.pick() == .subchannel(SubchannelID(2)))
        // It got ready as it was given up.
        let late = balancer.change(3, .ready)
        #expect(late.releasing == [3] && late.state == .ready)
    }

    @Test func `when all addresses failed the channel fails and says why`() {
        var balancer = Self.balancer([1, 2])
        balancer.change(1, failed(1))
        let update = balancer.change(2, failed(2))
        #expect(update.state == failed(2))
        #expect(update.resolveAgain && update.timer == .cancel)
        #expect(balancer.pick() == .fail(ChannelFailure("subchannel 2 refused")))
    }

    @Test func `addresses whose backoff ends during the first pass wait for its end`() {
        var balancer = Self.balancer([1, 2])
        balancer.change(1, failed(1))
        let during = balancer.change(1, .idle)
        let end = balancer.change(2, failed(2))
        #expect(during.connecting == [])
        #expect(end.connecting == [1])
    }

    @Test func `a failed channel stays failed while it tries, until one connects`() {
        var balancer = Self.balancer([1, 2])
        balancer.change(1, failed(1))
        balancer.change(2, failed(2))
        let idle = balancer.change(1, .idle)
        let connecting = balancer.change(1, .connecting)
        #expect(idle.connecting == [1])
        #expect(idle.state == failed(2) && connecting.state == failed(2))
        let ready = balancer.change(1, .ready)
        #expect(ready.state == .ready && ready.releasing == [2])
    }

    @Test func `the name is resolved again after as many failures as there are addresses`() {
        var balancer = Self.balancer([1, 2])
        balancer.change(1, failed(1))
        balancer.change(2, failed(2))
        let asked = [1, 1, 1, 2, 1].map { balancer.change($0, failed($0)).resolveAgain }
        #expect(asked == [false, true, false, true, false])
    }

    @Test func `a lost connection makes the channel idle until the next call`() {
        var balancer = Self.balancer([1, 2])
        balancer.change(1, .ready)
        let lost = balancer.change(1, .idle)
        #expect(lost.state == .idle && lost.connecting == [] && lost.resolveAgain)
        #expect(balancer.pick() == .queue)
        let called = balancer.queued()
        #expect(called.state == .connecting && called.connecting == [1])
        #expect(balancer.queued().connecting == [])
    }

    @Test func `new addresses leave an idle channel idle`() {
        var balancer = Self.balancer([1])
        balancer.change(1, .ready)
        balancer.change(1, .idle)
        let update = balancer.addresses([2, 3])
        #expect(update.state == .idle && update.connecting == [])
        #expect(balancer.queued().connecting == [2])
    }

    @Test func `new addresses keep a connection that is among them`() {
        var balancer = Self.balancer([1, 2])
        balancer.change(1, .ready)
        let update = balancer.addresses([3, 1], [1: .ready])
        #expect(update.state == .ready && update.connecting == [])
        #expect(balancer.pick() == .subchannel(SubchannelID(1)))
    }

    @Test func `new addresses without the connection start over`() {
        var balancer = Self.balancer([1, 2])
        balancer.change(1, .ready)
        let update = balancer.addresses([2, 3])
        #expect(update.state == .connecting && update.connecting == [2])
    }

    @Test func `new addresses for a failed channel are tried while it stays failed`() {
        var balancer = Self.balancer([1])
        balancer.change(1, failed(1))
        let update = balancer.addresses([1, 2], [1: failed(1)])
        #expect(update.state == failed(1))
        // The first one is in its delay: it counts as tried.
        #expect(update.connecting == [2])
    }

    @Test func `addresses that all wait already end the pass at once`() {
        var balancer = Balancer(.standard)
        let update = balancer.addresses([1, 2], [1: failed(1), 2: failed(2)])
        #expect(update.state == failed(2) && update.resolveAgain)
    }

    @Test func `a subchannel that connects already is not asked to`() {
        var balancer = Balancer(.standard)
        let update = balancer.addresses([1, 2], [1: .connecting])
        #expect(update.connecting == [] && update.timer == Self.delay)
    }

    @Test func `a name without addresses fails calls`() {
        var balancer = Self.balancer([1])
        balancer.change(1, .ready)
        let update = balancer.addresses([])
        #expect(update.resolveAgain)
        #expect(balancer.pick() == .fail(ChannelFailure("the name has no addresses")))
        let next = balancer.addresses([4])
        #expect(next.connecting == [4])
    }

    @Test func `news of a subchannel that is gone changes nothing`() {
        var balancer = Self.balancer([1])
        let update = balancer.change(9, .ready)
        #expect(update == BalancerUpdate(state: .connecting))
    }

    @Test func `an address that comes twice is tried once`() {
        var balancer = Self.balancer([1, 1, 2])
        #expect(balancer.change(1, failed(1)).connecting == [2])
    }

    @Test func `shuffling tries each address first in its share of the channels`() {
        var firsts: [Int: Int] = [:]
        for seed in 0..<3_000 {
            var balancer = Balancer(.pickFirst(shuffleAddressList: true))
            balancer.random = SeededRandom(seed: UInt64(seed))
            firsts[balancer.addresses([1, 2, 3]).connecting[0], default: 0] += 1
        }
        #expect(firsts.keys.sorted() == [1, 2, 3])
        #expect(firsts.values.allSatisfy { (900...1_100).contains($0) })
    }

    /// Every sequence over two addresses, with the rules that hold after each event.
    @Test func `the invariants hold after every sequence of five events`() {
        let states: [ConnectivityState] = [.idle, .connecting, .ready, failed(0)]
        var checked = 0
        // 0...7 are changes, then the timer, a queued call, and two lists.
        for code in 0..<(12 * 12 * 12 * 12 * 12) {
            var balancer = Self.balancer([1, 2])
            var rest = code
            var isSticky = false
            for _ in 0..<5 {
                let event = rest % 12
                rest /= 12
                let update =
                    switch event {
                    case 0..<4: balancer.change(1, states[event])
                    case 4..<8: balancer.change(2, states[event - 4])
                    case 8: balancer.timer()
                    case 9: balancer.queued()
                    case 10: balancer.addresses([1, 2])
                    default: balancer.addresses([2, 1], [2: failed(2)])
                    }
                let pick = balancer.pick()
                switch update.state {
                case .ready:
                    guard case .subchannel(let id) = pick, !update.release.contains(id) else {
                        Issue.record("ready without a pick after \(code)")
                        return
                    }
                    isSticky = false
                case .transientFailure(let failure):
                    guard pick == .fail(failure) else {
                        Issue.record("failed without a failing pick after \(code)")
                        return
                    }
                    isSticky = true
                case .idle, .connecting:
                    guard pick == .queue, !isSticky else {
                        Issue.record("a failure was forgotten after \(code)")
                        return
                    }
                }
                guard Set(update.connect).isDisjoint(with: update.release) else {
                    Issue.record("connects what it releases after \(code)")
                    return
                }
                checked += 1
            }
        }
        #expect(checked == 5 * 248_832)
    }
}
