// A server that reloads: the test writes its files, has it look, and asks as an operator.
#pragma once

#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/substitute.h"
#include "tests/server/rpc/server_fixture.h"

namespace entropyd {

class ReloadFixture : public ServerFixture {
 protected:
  // Each test begins with a fresh authority: what one revokes must not be revoked for the next.
  void SetUp() override {
    TearDownTestSuite();
    SetUpTestSuite();
    WriteFile("server.yaml", ConfigText());
    ServerFixture::SetUp();
    TakeConfig();
  }
  // A server.yaml that has changed is taken when a second look finds it as it was.
  void TakeConfig() {
    server_->Tick();
    server_->Tick();
  }
  std::string ConfigText() const override {
    return absl::StrReplaceAll(
        absl::Substitute(kConfigOfTests, *dir_),
        // The authority locks its directory, and the server its state's.
        {{absl::StrCat("state_dir: ", *dir_), absl::StrCat("state_dir: ", *dir_, "/state")},
         {"      - {name: secret,",
          "      - {name: slow, parent: root, rate: 1KiB/s, ceil: 1KiB/s}\n"
          "      - {name: secret,"},
         {"[\"default/gold\"]", "[default/gold, default/slow]"}});
  }
  Reloading HowToReload() override {
    return {.load = [this] { return Plan(Read("server.yaml")); },
            .config_path = Path("server.yaml")};
  }
  static std::string Path(const std::string& name) { return absl::StrCat(*dir_, "/", name); }
  static void WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(Path(name)) << text;
  }
  static void Change(const std::string& name, const std::string& from, const std::string& to) {
    const std::string text = Read(name);
    ASSERT_NE(text.find(from), std::string::npos) << from;
    WriteFile(name, absl::StrReplaceAll(text, {{from, to}}));
  }
  static void Revoke(const std::string& who) {
    ASSERT_TRUE(pki::Revoke(*dir_, Read(absl::StrCat(who, ".crt")), absl::Now()).ok());
  }
  // The lines of the audit, each from its call on. The server is gone then.
  std::vector<std::string> Audited() {
    server_.reset();
    std::vector<std::string> lines;
    for (absl::string_view line : absl::StrSplit(Read("audit.log"), '\n', absl::SkipEmpty())) {
      lines.emplace_back(line.substr(line.find("call=")));
    }
    return lines;
  }
  // An operator reloads. The owner of the server is this thread.
  grpc::Status Reload(v1::ReloadServerResponse* response, const std::string& who = "operator") {
    BoundedContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    const auto stub = v1::Admin::NewStub(Channel(who));
    grpc::CompletionQueue queue;
    grpc::Status status;
    const auto call = stub->AsyncReload(&context, {}, &queue);
    call->Finish(response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    while (queue.AsyncNext(&tag, &ok,
                           std::chrono::system_clock::now() + std::chrono::milliseconds(20)) ==
           grpc::CompletionQueue::TIMEOUT) {
      server_->Tick();
    }
    return status;
  }
  v1::Class ClassNow(const std::string& pool, const std::string& name) {
    BoundedContext context;
    v1::ListClassesResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))->ListClasses(&context, {}, &response).ok());
    for (const v1::Class& one : response.class_()) {
      if (one.pool() == pool && one.name() == name) return one;
    }
    return {};
  }
  uint64_t RawBytes(const std::string& source) {
    BoundedContext context;
    v1::ListSourcesResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))->ListSources(&context, {}, &response).ok());
    for (const v1::Source& one : response.source()) {
      if (one.name() == source) return one.raw_bytes();
    }
    return 0;
  }
  // Looks again and again until it holds.
  static bool Await(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }
  // Until somebody waits for bytes of the class.
  bool AwaitWaiting(const std::string& pool, const std::string& name) {
    return Await([&] { return ClassNow(pool, name).waiting_members() > 0; });
  }
  std::string Problem() {
    BoundedContext context;
    v1::ListAgentsResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))->ListAgents(&context, {}, &response).ok());
    return response.reload_problem();
  }
};

}  // namespace entropyd
