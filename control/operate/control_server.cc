// SPDX-License-Identifier: Apache-2.0
#include "control/operate/control_server.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <httplib.h>

namespace weir {

namespace {

constexpr size_t kWaitingMax = 32;
constexpr auto kPatience = std::chrono::seconds(5);
constexpr size_t kBodyBytesMax = 64 * 1024;
constexpr int kThreads = 4;  // per socket; each serves one connection at a time

// Requests on their way to the control thread and back.
class Queue {
 public:
  // A socket's thread: waits for the answer.
  ControlReply ask(ControlRequest request) {
    auto waiting = std::make_shared<Waiting>();
    waiting->request = std::move(request);
    std::unique_lock lock(mutex_);
    if (closed_ || queue_.size() >= kWaitingMax) return busy();
    queue_.push_back(waiting);
    answered_.wait_for(lock, kPatience, [&] { return waiting->done || closed_; });
    if (waiting->done) return std::move(waiting->reply);
    std::erase(queue_, waiting);
    return busy();
  }

  // The control thread. `answer` runs without the lock.
  template <class Answer>
  int serve(Answer&& answer) {
    int served = 0;
    while (served < static_cast<int>(kWaitingMax)) {  // the loop has other work, too
      const auto waiting = take();
      if (waiting == nullptr) break;
      ControlReply reply = answer(waiting->request);
      const std::lock_guard lock(mutex_);
      waiting->reply = std::move(reply);
      waiting->done = true;
      answered_.notify_all();
      ++served;
    }
    return served;
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    answered_.notify_all();
  }

 private:
  struct Waiting {
    ControlRequest request;
    ControlReply reply;
    bool done = false;
  };
  static ControlReply busy() {
    return {503, "{\"error\":\"the control plane is busy or stopping; ask again\"}"};
  }
  std::shared_ptr<Waiting> take() {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) return nullptr;
    auto first = queue_.front();
    queue_.pop_front();
    return first;
  }

  std::mutex mutex_;
  std::condition_variable answered_;
  std::deque<std::shared_ptr<Waiting>> queue_;
  bool closed_ = false;
};

void bound(httplib::Server& server) {
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_payload_max_length(kBodyBytesMax);
  server.set_keep_alive_max_count(1);
  server.set_read_timeout(kPatience);
  server.set_write_timeout(kPatience);
}

httplib::Server::Handler pass_on(Queue& queue) {
  return [&queue](const httplib::Request& in, httplib::Response& out) {
    ControlRequest request{in.method, in.path, {in.params.begin(), in.params.end()}, in.body};
    ControlReply reply = queue.ask(std::move(request));
    out.status = reply.status;
    out.set_content(std::move(reply.body), reply.content_type);
  };
}

// A listening server with its thread.
class Listener {
 public:
  httplib::Server server;

  void start() {
    thread_ = std::thread([this] {
      server.listen_after_bind();
      ended_.store(true, std::memory_order_release);
    });
  }
  void stop() {
    hang_up();
    if (thread_.joinable()) thread_.join();
  }
  // Nobody reaches it any more; who is being answered still is.
  void hang_up() {
    if (!thread_.joinable()) return;
    // stop() does nothing to a server whose thread has not come to listening yet.
    while (!server.is_running() && !ended_.load(std::memory_order_acquire)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    server.stop();
  }

 private:
  std::thread thread_;
  std::atomic<bool> ended_{false};  // the thread: w, stop(): r
};

}  // namespace

struct ControlServer::Parts {
  Queue queue;
  Listener local;
  std::unique_ptr<Listener> metrics;  // null: off, or its port was taken
  std::future<void> retiring;         // of the one before: its clients may wait for our answers
  MetricsSettings metrics_at;
  std::string socket_path;
  std::function<void(Telling, const std::string&)> tell;

  ~Parts() {
    queue.close();
    local.stop();
    if (metrics != nullptr) metrics->stop();
    if (!socket_path.empty()) unlink(socket_path.c_str());
  }
};

ControlServer::ControlServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ControlServer::~ControlServer() = default;

Result<std::unique_ptr<ControlServer>> ControlServer::open(const Config& config,
                                                           const ControlOptions& options) {
  auto parts = std::make_unique<Parts>();
  const std::string path = config.socket_path();
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail("the control socket's path is too long: " + path);
  }
  bound(parts->local.server);
  parts->local.server.set_address_family(AF_UNIX);
  parts->local.server.Get(".*", pass_on(parts->queue));
  parts->local.server.Post(".*", pass_on(parts->queue));
  unlink(path.c_str());  // of a control plane that was killed
  const mode_t mask = umask(0117);
  const bool listening = parts->local.server.bind_to_port(path, 80);
  umask(mask);
  if (!listening) return fail("cannot listen on " + path + ": " + std::strerror(errno));
  parts->socket_path = path;
  parts->local.start();

  parts->tell = options.tell;
  parts->metrics_at.host.clear();
  std::unique_ptr<ControlServer> self(new ControlServer(std::move(parts)));
  self->follow(config.metrics);
  return self;
}

void ControlServer::follow(const MetricsSettings& metrics) {
  Parts& p = *parts_;
  if (metrics == p.metrics_at) return;
  p.metrics_at = metrics;
  if (p.metrics != nullptr) {
    p.metrics->hang_up();
    p.retiring = std::async(std::launch::async, [old = std::move(p.metrics),
                                                 before = std::move(p.retiring)] { old->stop(); });
  }
  if (metrics.host.empty()) return;
  auto next = std::make_unique<Listener>();
  bound(next->server);
  next->server.Get("/metrics", pass_on(p.queue));
  if (next->server.bind_to_port(metrics.host, metrics.port)) {
    next->start();
    p.metrics = std::move(next);
  } else if (p.tell) {
    p.tell(Telling::kWarning, fmt::format("cannot listen on {}:{} for /metrics: {}", metrics.host,
                                          metrics.port, std::strerror(errno)));
  }
}

int ControlServer::do_work(ControlPlane& plane, TimeNs now) {
  return parts_->queue.serve(
      [&](const ControlRequest& request) { return plane.answer(request, now); });
}

}  // namespace weir
