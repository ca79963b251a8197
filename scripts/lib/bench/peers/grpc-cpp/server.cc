// The peer of `scripts/bench rpc`: an echo server on gRPC C++, written as fast as its API allows.
//
// It is the asynchronous API with one completion queue for each thread, as gRPC's performance notes advise. The raw
// methods hand over the bytes unparsed, so that neither side pays for protobuf. Calls are made once and used again, and
// nothing is locked, for a call stays with its queue's thread. gRPC's tuning arguments (BDP probe, minimal stack,
// optimisation target) were tried and changed nothing beyond the noise.

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "echo.grpc.pb.h"

namespace {

using Service =
    echo::Echo::WithRawMethod_Unary<echo::Echo::WithRawMethod_Bidi<echo::Echo::Service>>;
using Queue = grpc::ServerCompletionQueue;

// Measured: 128 waiting calls serve 1,000 concurrent requests with a quarter less CPU than 2,048 do, because they stay
// in the cache. A request that finds none waits inside gRPC for the next, microseconds later.
constexpr int kWaitingUnaryCalls = 128;
constexpr int kWaitingStreams = 16;

// What a completion queue gives back.
class Call {
 public:
  virtual ~Call() = default;
  virtual void Proceed(bool ok) = 0;
};

// Waits for a request, answers it, and waits again.
class UnaryCall final : public Call {
 public:
  UnaryCall(Service* service, Queue* queue) : service_(service), queue_(queue) { Await(); }

  void Proceed(bool ok) override {
    if (answering_) return Await();
    // The server is shutting down.
    if (!ok) return;
    answering_ = true;
    responder_->Finish(message_, grpc::Status::OK, this);
  }

 private:
  void Await() {
    answering_ = false;
    responder_.reset();
    context_.emplace();
    responder_.emplace(&*context_);
    service_->RequestUnary(&*context_, &message_, &*responder_, queue_, queue_, this);
  }

  Service* const service_;
  Queue* const queue_;
  bool answering_ = false;
  grpc::ByteBuffer message_;
  // In place of an allocation for each call; the context can't be reset.
  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>> responder_;
};

// Waits for a stream, and writes back each message before it reads the next. Reading the next while one is written took
// a tenth more CPU for each message.
class BidiCall final : public Call {
 public:
  BidiCall(Service* service, Queue* queue) : service_(service), queue_(queue) { Await(); }

  void Proceed(bool ok) override {
    switch (state_) {
      case State::kWaiting:
        if (ok) Read();
        return;
      case State::kReading:
        return ok ? Write() : Finish();
      case State::kWriting:
        return ok ? Read() : Finish();
      case State::kFinishing:
        return Await();
    }
  }

 private:
  enum class State { kWaiting, kReading, kWriting, kFinishing };

  void Await() {
    state_ = State::kWaiting;
    stream_.reset();
    context_.emplace();
    stream_.emplace(&*context_);
    service_->RequestBidi(&*context_, &*stream_, queue_, queue_, this);
  }

  void Read() {
    state_ = State::kReading;
    stream_->Read(&message_, this);
  }

  void Write() {
    state_ = State::kWriting;
    stream_->Write(message_, this);
  }

  void Finish() {
    state_ = State::kFinishing;
    stream_->Finish(grpc::Status::OK, this);
  }

  Service* const service_;
  Queue* const queue_;
  State state_ = State::kWaiting;
  grpc::ByteBuffer message_;
  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
};

// Serves one queue for as long as the process lives.
void Serve(Service* service, Queue* queue) {
  std::deque<UnaryCall> unary;
  std::deque<BidiCall> streams;
  for (int i = 0; i < kWaitingUnaryCalls; ++i) unary.emplace_back(service, queue);
  for (int i = 0; i < kWaitingStreams; ++i) streams.emplace_back(service, queue);
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) static_cast<Call*>(tag)->Proceed(ok);
}

struct Options {
  int port = 0;
  int threads = 1;
  // Files in PEM; without them the server speaks plaintext.
  std::string tls_certificate;
  std::string tls_key;
};

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--port") == 0) options.port = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--threads") == 0) options.threads = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--tls-certificate") == 0) options.tls_certificate = argv[i + 1];
    if (std::strcmp(argv[i], "--tls-key") == 0) options.tls_key = argv[i + 1];
  }
  return options;
}

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const Options& options) {
  if (options.tls_certificate.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs.push_back({Contents(options.tls_key), Contents(options.tls_certificate)});
  return grpc::SslServerCredentials(tls);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(options.port), Credentials(options), &port);
  builder.RegisterService(&service);
  std::vector<std::unique_ptr<Queue>> queues;
  for (int i = 0; i < options.threads; ++i) queues.push_back(builder.AddCompletionQueue());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server || port == 0) {
    std::fprintf(stderr, "Can't listen on 127.0.0.1:%d.\n", options.port);
    return 1;
  }
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < queues.size(); ++i) {
    threads.emplace_back(Serve, &service, queues[i].get());
  }
  std::printf("ready on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  // The first queue has the main thread, so one thread means one. The benchmark ends the process by a signal.
  Serve(&service, queues.front().get());
  for (std::thread& thread : threads) thread.join();
}
