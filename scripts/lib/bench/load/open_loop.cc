#include "open_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <deque>

#include "clock.h"
#include "connection.h"
#include "echo.h"
#include "fail.h"

namespace {

constexpr int kMaximumEvents = 64;
// A server that can't keep up has this long to work off what waits.
constexpr double kDrainSeconds = 10;

class Lane;

// One call at a time; made once for each that a lane may have open, and used again.
class UnaryCall final : public Call {
 public:
  explicit UnaryCall(Lane* lane) : lane_(lane) {}

  void Start(Connection* connection, std::size_t number) {
    number_ = number;
    echoes_ = 0;
    writer_ = {};
    reader_ = {};
    connection->Open("/echo.Echo/Unary", this);
  }

  Piece Next(std::uint8_t* buffer, std::size_t room) override {
    const std::size_t bytes = writer_.Write(buffer, room);
    return {bytes, writer_.IsAtBoundary()};
  }

  void Received(const std::uint8_t* data, std::size_t length) override { echoes_ += reader_.Received(data, length); }

  void Ended(bool ok) override;

 private:
  Lane* const lane_;
  std::size_t number_ = 0;
  std::size_t echoes_ = 0;
  FrameWriter writer_;
  EchoReader reader_;
};

// When each call should start, and when it ended.
struct Schedule {
  std::int64_t start = 0;
  double calls_per_second = 0;
  std::vector<std::int64_t> latencies;
  std::size_t ended = 0;

  std::int64_t Due(std::size_t number) const { return start + Span(static_cast<double>(number) / calls_per_second); }

  void Ended(std::size_t number) {
    latencies[number] = Now() - Due(number);
    ++ended;
  }
};

// One connection, the calls that are open on it, and the ones that wait.
class Lane {
 public:
  Lane(int port, int epoll, int streams, Schedule* schedule) : connection(port, epoll), schedule_(schedule) {
    for (int i = 0; i < streams; ++i) free_.push_back(&calls_.emplace_back(this));
  }

  void Start(std::size_t number) {
    waiting_.push_back(number);
    StartWaiting();
  }

  void Ended(UnaryCall* call, std::size_t number) {
    schedule_->Ended(number);
    free_.push_back(call);
    StartWaiting();
  }

  Connection connection;

 private:
  void StartWaiting() {
    while (!waiting_.empty() && !free_.empty()) {
      UnaryCall* call = free_.back();
      free_.pop_back();
      call->Start(&connection, waiting_.front());
      waiting_.pop_front();
    }
  }

  Schedule* const schedule_;
  std::deque<UnaryCall> calls_;
  std::vector<UnaryCall*> free_;
  std::deque<std::size_t> waiting_;
};

void UnaryCall::Ended(bool ok) {
  if (!ok) Fail("A call ended with an error.");
  if (echoes_ != 1 || !reader_.IsAtBoundary()) Fail("A call was answered with %zu messages.", echoes_);
  lane_->Ended(this, number_);
}

void ReadWhatIsThere(int epoll) {
  std::array<epoll_event, kMaximumEvents> events;
  const int count = epoll_wait(epoll, events.data(), kMaximumEvents, 0);
  for (int i = 0; i < count; ++i) {
    auto* connection = static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
    connection->Read();
    connection->Flush();
  }
}

}  // namespace

OpenLoopResult RunOpenLoop(const OpenLoopPlan& plan) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const auto skipped = static_cast<std::size_t>(plan.calls_per_second * plan.warm_up_seconds);
  const auto total = skipped + static_cast<std::size_t>(plan.calls_per_second * plan.seconds);
  Schedule schedule;
  schedule.calls_per_second = plan.calls_per_second;
  schedule.latencies.resize(total);
  std::vector<std::int64_t> lateness(total);
  std::deque<Lane> lanes;
  for (int i = 0; i < plan.connections; ++i) {
    lanes.emplace_back(plan.port, epoll, plan.streams, &schedule).connection.Flush();
  }

  schedule.start = Now();
  const std::int64_t deadline = schedule.Due(total) + Span(kDrainSeconds);
  // It never sleeps: a timer is later than the latencies that are measured.
  for (std::size_t started = 0; schedule.ended < total;) {
    const std::int64_t now = Now();
    const std::size_t first = started;
    for (; started < total && schedule.Due(started) <= now; ++started) lanes[started % lanes.size()].Start(started);
    // Calls that are due together share a write, so that a generator that is late catches up.
    const std::size_t touched = std::min(started - first, lanes.size());
    for (std::size_t i = 0; i < touched; ++i) lanes[(first + i) % lanes.size()].connection.Flush();
    const std::int64_t written = Now();
    for (std::size_t i = first; i < started; ++i) lateness[i] = written - schedule.Due(i);
    ReadWhatIsThere(epoll);
    if (now > deadline) {
      Fail("%zu of %zu calls had not ended %g s after the last was due.", total - schedule.ended, total, kDrainSeconds);
    }
  }

  OpenLoopResult result;
  result.seconds = static_cast<double>(Now() - schedule.Due(skipped)) / 1e9;
  result.latencies.assign(schedule.latencies.begin() + static_cast<std::ptrdiff_t>(skipped), schedule.latencies.end());
  lateness.erase(lateness.begin(), lateness.begin() + static_cast<std::ptrdiff_t>(skipped));
  const auto rank = lateness.begin() + static_cast<std::ptrdiff_t>(lateness.size() * 99 / 100);
  std::nth_element(lateness.begin(), rank, lateness.end());
  result.lateness_p99 = *rank;
  return result;
}
