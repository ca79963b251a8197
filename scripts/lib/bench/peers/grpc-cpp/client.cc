// The peer of our client: unary calls on gRPC C++'s asynchronous client, written as fast as its API allows.
//
//   echo-client --port P [--connections N] [--streams N] [--warm-up S] [--seconds S]
//
// One thread takes what one completion queue gives. Calls hand over the bytes unparsed, so that no side pays for
// protobuf. The callback API took a tenth more CPU for each call; the generated stub with parsed messages took as much
// as this. It prints one JSON object, or ends with status 1 when a call failed or its answer has another size.

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

const std::string kMethod = "/echo.Echo/Unary";

double Seconds(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// A message with one `bytes` field of 64 bytes, as the other loads send it.
grpc::ByteBuffer Message() {
  std::string text = "\x0a\x40";
  for (char i = 0; i < 64; ++i) text.push_back(i);
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

// Makes one call after the other.
class Caller {
 public:
  Caller(grpc::GenericStub* stub, grpc::CompletionQueue* queue, const grpc::ByteBuffer* request)
      : stub_(stub), queue_(queue), request_(request) {
    Start();
  }

  // The call has ended; ends the process when it is not as it should be.
  void Check() {
    if (!status_.ok()) {
      std::fprintf(stderr, "A call ended with status %d: %s\n", status_.error_code(), status_.error_message().c_str());
      std::exit(1);
    }
    if (response_.Length() != request_->Length()) {
      std::fprintf(stderr, "%zu bytes answered %zu.\n", response_.Length(), request_->Length());
      std::exit(1);
    }
  }

  void Start() {
    reader_.reset();
    context_.emplace();
    reader_ = stub_->PrepareUnaryCall(&*context_, kMethod, *request_, queue_);
    reader_->StartCall();
    reader_->Finish(&response_, &status_, this);
  }

 private:
  grpc::GenericStub* const stub_;
  grpc::CompletionQueue* const queue_;
  const grpc::ByteBuffer* const request_;
  // In place of an allocation for each call; the context can't be reset.
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
};

struct Options {
  int port = 0;
  int connections = 10;
  int streams = 100;
  double warm_up = 1;
  double seconds = 4;
};

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const double value = std::atof(argv[i + 1]);
    if (std::strcmp(argv[i], "--port") == 0) options.port = static_cast<int>(value);
    if (std::strcmp(argv[i], "--connections") == 0) options.connections = static_cast<int>(value);
    if (std::strcmp(argv[i], "--streams") == 0) options.streams = static_cast<int>(value);
    if (std::strcmp(argv[i], "--warm-up") == 0) options.warm_up = value;
    if (std::strcmp(argv[i], "--seconds") == 0) options.seconds = value;
  }
  return options;
}

std::shared_ptr<grpc::Channel> Connect(int port) {
  grpc::ChannelArguments arguments;
  // Channels to one address share a connection unless they are told not to.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Measured: without what a benchmark has no use for, a call takes a fifth less CPU.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_MINIMAL_STACK, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  const grpc::ByteBuffer request = Message();
  grpc::CompletionQueue queue;
  std::deque<grpc::GenericStub> stubs;
  std::deque<Caller> callers;
  for (int i = 0; i < options.connections; ++i) {
    grpc::GenericStub& stub = stubs.emplace_back(Connect(options.port));
    for (int j = 0; j < options.streams; ++j) callers.emplace_back(&stub, &queue, &request);
  }

  double start = 0, start_cpu = 0, now = 0;
  const double measured = Seconds(CLOCK_MONOTONIC) + options.warm_up;
  const double over = measured + options.seconds;
  std::uint64_t requests = 0;
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
    auto* caller = static_cast<Caller*>(tag);
    caller->Check();
    now = Seconds(CLOCK_MONOTONIC);
    if (now >= over) break;
    if (now >= measured) {
      if (start == 0) {
        start = now;
        start_cpu = Seconds(CLOCK_PROCESS_CPUTIME_ID);
      }
      ++requests;
    }
    caller->Start();
  }
  std::printf("{\"requests\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n",
              static_cast<unsigned long long>(requests), now - start, Seconds(CLOCK_PROCESS_CPUTIME_ID) - start_cpu);
  std::fflush(stdout);
  // The calls in flight end with the process.
  std::_Exit(0);
}
