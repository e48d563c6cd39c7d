// SPDX-License-Identifier: Apache-2.0
// The control socket: who may use it, that answers come from the control thread, and that a client
// that asks too much or never finishes does not hold up the others.
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "control/operate/operate.h"
#include "tests/unit/operate/folder.h"

namespace weir {
namespace {

class Server : public ::testing::Test {
 protected:
  Server() : segment_(Segment::in_memory(config_.settings, 0)) {
    config_.runtime_dir = folder_.path();
    config_.metrics.host.clear();
    ControlOptions options;
    options.rule_loader = [](uint64_t, std::span<const uint8_t>) { return std::string(); };
    plane_ = std::move(*ControlPlane::open(config_, segment_, options));
    server_ = std::move(*ControlServer::open(config_, options));
  }
  // Runs `client` beside the control thread, which is this one.
  template <class Client>
  void serve(Client client) {
    std::atomic<bool> done{false};
    std::thread other([&] {
      client();
      done.store(true);
    });
    while (!done.load()) {
      plane_->do_work(1);
      server_->do_work(*plane_, 1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    other.join();
  }
  httplib::Client client() const {
    httplib::Client c(config_.socket_path());
    c.set_address_family(AF_UNIX);
    return c;
  }
  // A connection that says so much and no more.
  int half_a_request() const {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, config_.socket_path().c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_GT(write(fd, "GET /sta", 8), 0);
    return fd;
  }

  Folder folder_;
  Config config_;
  Segment segment_;
  std::unique_ptr<ControlPlane> plane_;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(Server, IsForItsOwnerAndGroup) {
  struct stat info {};
  ASSERT_EQ(stat(config_.socket_path().c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 0777, 0660u);
  server_.reset();
  EXPECT_NE(access(config_.socket_path().c_str(), F_OK), 0);
}

TEST_F(Server, AnswersManyAtOnce) {
  serve([&] {
    std::vector<std::thread> askers;
    std::atomic<int> good{0};
    for (int i = 0; i < 4; ++i) {
      askers.emplace_back([&] {
        for (int n = 0; n < 20; ++n) {
          const auto answer = client().Get("/status");
          if (answer && answer->status == 200 &&
              nlohmann::json::parse(answer->body, nullptr, false).contains("wires")) {
            ++good;
          }
        }
      });
    }
    for (std::thread& t : askers) t.join();
    EXPECT_EQ(good.load(), 80);
  });
}

TEST_F(Server, RefusesWhatIsTooLongOrUnknown) {
  serve([&] {
    EXPECT_EQ(client().Post("/order", std::string(200'000, ' '), "application/json")->status, 413);
    EXPECT_EQ(client().Post("/order", "{", "application/json")->status, 400);
    EXPECT_EQ(client().Get("/nothing")->status, 404);
    EXPECT_NE(client().Put("/status", "x", "text/plain")->status, 200);
  });
}

TEST_F(Server, DoesNotWaitForWhoNeverFinishes) {
  const int slow[] = {half_a_request(), half_a_request()};
  serve([&] {
    const auto begin = std::chrono::steady_clock::now();
    const auto answer = client().Get("/status");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  });
  for (const int fd : slow) close(fd);
}

TEST_F(Server, TakesTheSocketOfADeadPredecessor) {
  server_.reset();
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, config_.socket_path().c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(fd);  // the name stays, as after a kill
  auto server = ControlServer::open(config_, {});
  ASSERT_TRUE(server) << server.error().text();
  server_ = std::move(*server);
  serve([&] { EXPECT_EQ(client().Get("/status")->status, 200); });
}

TEST_F(Server, ATakenMetricsPortIsToldAndNoMore) {
  server_.reset();
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  config_.metrics = {"127.0.0.1", ntohs(address.sin_port)};
  ControlOptions options;
  std::string told;
  options.tell = [&](Telling, const std::string& text) { told += text; };
  auto server = ControlServer::open(config_, options);
  ASSERT_TRUE(server);
  EXPECT_NE(told.find("for /metrics"), std::string::npos) << told;
  close(fd);
}

}  // namespace
}  // namespace weir
