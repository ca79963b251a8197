#include "bidi.h"

#include <sys/epoll.h>

#include <array>
#include <deque>

#include "clock.h"
#include "connection.h"
#include "echo.h"
#include "fail.h"

namespace {

constexpr int kMaximumEvents = 64;
// What is in flight at the end has this long to come back.
constexpr double kDrainSeconds = 5;

// What the streams have in common.
struct Run {
  std::uint64_t echoes = 0;
  // No more messages: streams half-close once they have nothing left to send.
  bool is_over = false;
  std::size_t open_streams = 0;
};

class BidiStream final : public Call {
 public:
  BidiStream(Run* run, Connection* connection, int window)
      : run_(run), connection_(connection), unsent_(static_cast<std::size_t>(window)) {
    ++run_->open_streams;
    connection_->Open("/echo.Echo/Bidi", this);
  }

  // Each message is a DATA frame of its own, so that both servers get the same frames whatever their speed.
  Piece Next(std::uint8_t* buffer, std::size_t room) override {
    if (unsent_ == 0) return {0, run_->is_over};
    const std::size_t bytes = writer_.Write(buffer, room);
    if (writer_.IsAtBoundary()) {
      --unsent_;
      ++sent_;
    }
    return {bytes, false};
  }

  void Received(const std::uint8_t* data, std::size_t length) override {
    const std::size_t echoes = reader_.Received(data, length);
    received_ += echoes;
    run_->echoes += echoes;
    if (run_->is_over || echoes == 0) return;
    unsent_ += echoes;
    connection_->Resume(this);
  }

  void Ended(bool ok) override {
    if (!ok) Fail("A stream ended with an error.");
    if (!run_->is_over) Fail("The server ended a stream while messages went through it.");
    if (sent_ != received_ || !reader_.IsAtBoundary()) {
      Fail("Of %zu messages on a stream %zu came back.", sent_, received_);
    }
    --run_->open_streams;
  }

  void Finish() { connection_->Resume(this); }

 private:
  Run* const run_;
  Connection* const connection_;
  std::size_t unsent_;
  std::size_t sent_ = 0;
  std::size_t received_ = 0;
  FrameWriter writer_;
  EchoReader reader_;
};

// Waits for what comes, at most until the deadline, and answers it.
void Turn(int epoll, std::int64_t deadline) {
  std::array<epoll_event, kMaximumEvents> events;
  const std::int64_t milliseconds = (deadline - Now()) / 1'000'000 + 1;
  const int count = epoll_wait(epoll, events.data(), kMaximumEvents, static_cast<int>(milliseconds));
  for (int i = 0; i < count; ++i) {
    auto* connection = static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
    connection->Read();
    connection->Flush();
  }
}

void TurnUntil(int epoll, std::int64_t deadline) {
  while (Now() < deadline) Turn(epoll, deadline);
}

}  // namespace

BidiResult RunBidi(const BidiPlan& plan) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  Run run;
  std::deque<Connection> connections;
  std::deque<BidiStream> streams;
  for (int i = 0; i < plan.connections; ++i) {
    Connection& connection = connections.emplace_back(plan.port, epoll);
    for (int j = 0; j < plan.streams; ++j) streams.emplace_back(&run, &connection, plan.window);
    connection.Flush();
  }

  TurnUntil(epoll, Now() + Span(plan.warm_up_seconds));
  const std::int64_t start = Now();
  const std::int64_t start_cpu = CpuTime();
  const std::uint64_t start_echoes = run.echoes;
  TurnUntil(epoll, start + Span(plan.seconds));
  BidiResult result;
  result.messages = run.echoes - start_echoes;
  result.seconds = static_cast<double>(Now() - start) / 1e9;
  result.cpu_seconds = static_cast<double>(CpuTime() - start_cpu) / 1e9;

  run.is_over = true;
  for (BidiStream& stream : streams) stream.Finish();
  for (Connection& connection : connections) connection.Flush();
  const std::int64_t deadline = Now() + Span(kDrainSeconds);
  while (run.open_streams > 0 && Now() < deadline) Turn(epoll, deadline);
  if (run.open_streams > 0) {
    Fail("%zu streams had not ended %g s after their last message.", run.open_streams, kDrainSeconds);
  }
  result.all_messages = run.echoes;
  return result;
}
