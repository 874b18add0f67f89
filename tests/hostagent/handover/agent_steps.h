// The steps of an agent's life as the giver of a handover, and what an operator may ask at each.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "tests/hostagent/agent_rig.h"

namespace entropyd {

class AgentSteps : public AgentRig {
 protected:
  // A step of a handover as the giver sees it, and how to get there with an agent that serves.
  struct Step {
    std::string name;
    Phase phase;
    std::function<void()> reach;
  };
  std::vector<Step> Steps() {
    return {{"serving", Phase::kServing, [] {}},
            {"reached", Phase::kServing,
             [this] {
               link_ = Reach();
               Turn();
             }},
            {"offered", Phase::kGiving, [this] { link_ = Offered(); }},
            {"withdrawn", Phase::kServing,
             [this] {
               link_ = Offered();
               link_.reset();
               Turn();
             }},
            {"given", Phase::kGiven, [this] { link_ = Taken(); }},
            {"lingering", Phase::kLingering,
             [this] {
               link_ = Taken();
               EXPECT_TRUE(Say(link_.get(), Serving()).ok());
               Turn();
             }},
            {"stopping", Phase::kStopping, [this] { StopWithAGuest(); }}};
  }
  // A fresh agent at that step.
  void At(const Step& step) {
    SCOPED_TRACE(step.name);
    link_.reset();
    agent_.reset();
    lent_.clear();
    Start({.linger = true, .successor = {"/bin/false"}});
    step.reach();
    ASSERT_EQ(agent_->phase(), step.phase) << step.name;
  }
  // The guest has not read its reply yet, so that the agent lives on for a second.
  void StopWithAGuest() {
    guest_ = std::make_unique<RigGuest>(Socket());
    Turn();
    guest_->AskPid();
    Turn();
    agent_->Stop();
    Turn();
  }
  // The result of a call for a successor, when it is known at once.
  absl::Status Upgrade() {
    // It may be answered later, when this function has returned.
    auto outcome = std::make_shared<absl::Status>(absl::UnknownError("not yet"));
    agent_->answers()->Upgrade(
        [outcome](const absl::Status& status, const std::string&) { *outcome = status; });
    return *outcome;
  }
  // The same, once the file was checked.
  absl::Status Reload() {
    const size_t before = Started();
    // It may be answered later, when this function has returned.
    auto outcome = std::make_shared<absl::Status>(absl::UnknownError("not yet"));
    agent_->answers()->Reload(
        [outcome](const absl::Status& status, const std::string&) { *outcome = status; });
    while (absl::IsUnknown(*outcome) && Started() == before) {
      agent_->loop()->RunOnce(kSecondNanos);
    }
    return *outcome;
  }
  size_t Started() const {
    const auto lines = log_.lines();
    return std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
      return line.starts_with("info upgrade.started ");
    });
  }
  absl::Status Add(const std::string& name) {
    config::v1::GuestSocket socket;
    socket.set_name(name);
    socket.set_path(dir_ / (name + ".sock"));
    socket.set_mode("0600");
    return agent_->answers()->AddGuestSocket(socket).status();
  }

  std::unique_ptr<HandoverLink> link_;
  std::unique_ptr<RigGuest> guest_;
};

}  // namespace entropyd
