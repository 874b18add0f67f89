// Guests with identities. The test plays the thread that knows them.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "absl/types/optional.h"
#include "base/process/nanos.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

const std::vector<uint8_t> kAsk64 = {0x02, 0x40};

class FakeIdentifier final : public Identifier {
 public:
  void Ask(IdentityQuestion question) override { questions.push_back(std::move(question)); }
  void Withdraw(uint64_t connection) override { withdrawn.push_back(connection); }
  std::vector<IdentityQuestion> questions;
  std::vector<uint64_t> withdrawn;
};

class ConnectionsIdentityTest : public TwoHostsTest {
 protected:
  enum Door2 : size_t { kKnown = 2, kRefuse = 3 };

  void Configure() override {
    settings_.classes.push_back(
        {"default/bulk", 4 << 20, int64_t{60'000'000'000}, ClassTree::kUnlimited});
    for (const char* name : {"2.sock", "3.sock"}) {
      AgentSettings::Socket socket;
      socket.path = dir_ / name;
      socket.mode = 0600;
      socket.clients = config::v1::CLIENTS_EGD;
      socket.identify = config::v1::IDENTIFY_LIBVIRT;
      socket.refuse_unknown = settings_.listeners.size() == kRefuse;
      settings_.listeners.push_back(socket);
    }
  }
  void SetUp() override {
    TwoHostsTest::SetUp();
    old_.host->assignment()->SetIdentifier(&identifier_);
    new_.host->assignment()->SetIdentifier(&identifier_);
  }

  Client Come(Door2 door, const Bytes& first = kAsk64) {
    return Connect(first, static_cast<Door>(door));
  }
  void Bring(Side* side, size_t class_index, size_t bytes) {
    side->host->classes()[class_index]->buffer()->Append(StreamBytes(0, bytes));
    side->host->classes()[class_index]->OnArrival();
    Turn(side);
  }
  static GuestIdentity Domain(const std::string& class_name, const std::string& error = "") {
    return {IdentitySource::kLibvirt, "web", "c7a5fdbd-edaf-9455-926a-d65c16db1809", class_name,
            error};
  }
  void Answer(absl::optional<GuestIdentity> identity, Side* side = nullptr) {
    if (side == nullptr) side = &old_;
    ASSERT_FALSE(identifier_.questions.empty());
    IdentityNews news;
    news.connection = identifier_.questions.back().connection;
    news.pid = identifier_.questions.back().pin.pid;
    news.start_ticks = 5;
    news.identity = std::move(identity);
    identifier_.questions.pop_back();
    side->host->connections()->OnIdentities({news});
    Turn(side);
  }
  // In one turn the time is over, in the next one the host has seen that no answer is there.
  void EndHold(int64_t nanos) {
    Turn(&old_, nanos);
    Turn(&old_);
  }
  void Change(int32_t pid, Side* side = nullptr) {
    IdentityNews news;
    news.pid = pid;
    (side == nullptr ? old_ : *side).host->connections()->OnIdentities({news});
  }
  v1::Guest OnlyGuest(Side* side = nullptr) {
    v1::ListGuestsResponse guests;
    (side == nullptr ? old_ : *side).host->status().FillGuests(&guests);
    EXPECT_EQ(guests.guest_size(), 1);
    return guests.guest_size() == 1 ? guests.guest(0) : v1::Guest();
  }
  uint64_t Requests(size_t class_index) {
    return old_.host->classes()[class_index]->counters()->requests[2].Get();
  }

  FakeIdentifier identifier_;
};

TEST_F(ConnectionsIdentityTest, AGuestIsServedInTheClassOfItsMetadata) {
  Bring(&old_, 0, 1'000);
  Bring(&old_, 1, 1'000);
  Client client = Come(kKnown);
  EXPECT_EQ(identifier_.questions.at(0).pin.pid, getpid());
  EXPECT_THAT(client.Receive(), IsEmpty()) << "served before anybody knew its class";
  Answer(Domain("default/bulk"));
  EXPECT_THAT(client.Receive(), SizeIs(64));
  EXPECT_EQ(old_.host->classes()[0]->buffer()->level(), 1'000u);
  EXPECT_EQ(old_.host->classes()[1]->buffer()->level(), 1'000u - 64);
  EXPECT_EQ(Requests(0), 0u);
  EXPECT_EQ(Requests(1), 1u);
  const v1::Guest guest = OnlyGuest();
  EXPECT_EQ(guest.name(), "web");
  EXPECT_EQ(guest.uuid(), "c7a5fdbd-edaf-9455-926a-d65c16db1809");
  EXPECT_EQ(guest.identified_by(), "libvirt");
  EXPECT_EQ(guest.class_(), "default/bulk");
}

TEST_F(ConnectionsIdentityTest, NobodyWaitsLongForAnAnswer) {
  Bring(&old_, 0, 1'000);
  Client client = Come(kKnown);
  Turn(&old_, 199 * kMillisecondNanos);
  EXPECT_THAT(client.Receive(), IsEmpty());
  EndHold(1 * kMillisecondNanos);
  EXPECT_THAT(client.Receive(), SizeIs(64));
  EXPECT_EQ(old_.metrics->connections.identity_timeouts.Get(), 1u);
  Answer(Domain("default/bulk"));  // late, and still true
  EXPECT_EQ(OnlyGuest().class_(), "default/bulk");
}

TEST_F(ConnectionsIdentityTest, CommandsThatMustWaitAreNotAnsweredWithNothing) {
  Bring(&old_, 0, 1'000);
  Client client = Come(kKnown, {0x01, 0x20, 0x00});
  EXPECT_THAT(client.Receive(), IsEmpty());
  Answer(absl::nullopt);
  const Bytes reply = client.Receive();
  ASSERT_THAT(reply, SizeIs(1 + 0x20 + 4));
  EXPECT_EQ(reply[0], 0x20);
  EXPECT_EQ(old_.metrics->connections.identity_timeouts.Get(), 0u);
  EXPECT_EQ(old_.metrics->identity.identified[0].Get(), 1u);
}

TEST_F(ConnectionsIdentityTest, AnUnknownPeerIsRefusedWhereConfigured) {
  Bring(&old_, 0, 1'000);
  Client unknown = Come(kRefuse);
  Answer(absl::nullopt);
  EXPECT_TRUE(unknown.Closed());
  Client silent = Come(kRefuse);
  EndHold(200 * kMillisecondNanos);
  EXPECT_TRUE(silent.Closed());
  EXPECT_EQ(old_.metrics->connections.unidentified_refused.Get(), 2u);
  Client known = Come(kRefuse);
  Answer(Domain(""));
  EXPECT_THAT(known.Receive(), SizeIs(64));
}

TEST_F(ConnectionsIdentityTest, AClassThatIsNotServedHereIsTheListenersAndToldOnce) {
  Bring(&old_, 0, 1'000);
  for (int i = 0; i < 3; ++i) {
    Client client = Come(kKnown);
    Answer(Domain("default/root"));
    EXPECT_THAT(client.Receive(), SizeIs(64));
    EXPECT_EQ(OnlyGuest().class_(), "default/gold");
    client.Hangup();
    Turn(&old_);
  }
  EXPECT_EQ(old_.metrics->identity.class_refused.Get(), 1u);
  Client client = Come(kKnown);
  Answer(Domain("", "class='' is not the name of a class"));
  EXPECT_THAT(client.Receive(), SizeIs(64));
  EXPECT_EQ(old_.metrics->identity.class_refused.Get(), 2u);
}

TEST_F(ConnectionsIdentityTest, AClassThatTheServerRefusesFreezesNobody) {
  Bring(&old_, 0, 1'000);
  Client before = Come(kKnown);
  Answer(Domain("default/bulk"));
  EXPECT_THAT(before.Receive(), IsEmpty());
  EXPECT_EQ(OnlyGuest().class_refused(), "");
  Refuse(&old_, 1, "default/bulk is not allowed");
  Turn(&old_);
  EXPECT_THAT(before.Receive(), SizeIs(64)) << "with what it was owed";
  EXPECT_EQ(OnlyGuest().class_(), "default/gold");
  EXPECT_EQ(OnlyGuest().class_refused(), "default/bulk");
  before.Hangup();
  Turn(&old_);
  Client after = Come(kKnown);
  Answer(Domain("default/bulk"));
  EXPECT_THAT(after.Receive(), SizeIs(64));
  EXPECT_EQ(old_.host->classes()[0]->buffer()->level(), 1'000u - 2 * 64);
}

TEST_F(ConnectionsIdentityTest, GuestsGoToTheirClassWhenTheServerOpensIt) {
  Bring(&old_, 0, 1'000);
  Bring(&old_, 1, 1'000);
  Refuse(&old_, 1, "no");
  Client client = Come(kKnown);
  Answer(Domain("default/bulk"));
  EXPECT_THAT(client.Receive(), SizeIs(64));
  Client other = Connect(kAsk64, kAuto);  // from another listener, and no domain
  EXPECT_THAT(other.Receive(), SizeIs(64));
  Refuse(&old_, 1, "");
  Turn(&old_);
  v1::ListGuestsResponse guests;
  old_.host->status().FillGuests(&guests);
  ASSERT_EQ(guests.guest_size(), 2);
  EXPECT_EQ(guests.guest(0).class_(), "default/bulk");
  EXPECT_EQ(guests.guest(0).class_refused(), "");
  EXPECT_EQ(guests.guest(0).delivered(), 64u);
  EXPECT_EQ(guests.guest(1).class_(), "default/gold");
  client.Send(kAsk64);
  Turn(&old_);
  EXPECT_THAT(client.Receive(), SizeIs(64));
  EXPECT_EQ(old_.host->classes()[1]->buffer()->level(), 1'000u - 64);
}

TEST_F(ConnectionsIdentityTest, ARefusedClassIsToldOnceForEachGuest) {
  Bring(&old_, 0, 1'000);
  Client client = Come(kKnown);
  Answer(Domain("default/bulk"));
  for (int i = 0; i < 3; ++i) {
    Refuse(&old_, 1, "no");
    Refuse(&old_, 1, "still no");
    Refuse(&old_, 1, "");
  }
  EXPECT_EQ(old_.metrics->identity.class_refused.Get(), 1u);
  Refuse(&old_, 1, "no");
  Change(getpid());
  Answer(Domain("default/gold"));
  EXPECT_EQ(OnlyGuest().class_refused(), "");
  Change(getpid());
  Answer(Domain("default/bulk"));
  EXPECT_EQ(OnlyGuest().class_(), "default/gold");
  EXPECT_EQ(old_.metrics->identity.class_refused.Get(), 2u) << "it was asked for anew";
}

TEST_F(ConnectionsIdentityTest, OneThatCannotBeWatchedLeavesNothingBehind) {
  // epoll refuses regular files, as it refuses sockets when memory is short.
  old_.host->connections()->Accept(kKnown,
                                   UniqueFd(open((dir_ / "file").c_str(), O_CREAT | O_RDWR, 0600)));
  EXPECT_EQ(old_.host->connections()->size(), 0u);
  Turn(&old_);
  for (int i = 0; i < 5; ++i) Turn(&old_, 100 * kMillisecondNanos);  // the agent has stopped asking
  EXPECT_EQ(old_.metrics->connections.accept_failures.Get(), 1u);
  EXPECT_EQ(old_.metrics->connections.identity_timeouts.Get(), 0u);
}

TEST_F(ConnectionsIdentityTest, AListenersOwnClassHasNoOther) {
  Client client = Come(kKnown);
  Answer(Domain("default/gold"));
  Refuse(&old_, 0, "no");
  EXPECT_EQ(OnlyGuest().class_(), "default/gold");
  EXPECT_EQ(OnlyGuest().class_refused(), "");
  EXPECT_EQ(old_.metrics->identity.class_refused.Get(), 0u);
}

TEST_F(ConnectionsIdentityTest, OneWhoIsHeldIsNotMovedBeforeItIsKnown) {
  Bring(&old_, 0, 1'000);
  Client client = Come(kKnown);
  Refuse(&old_, 1, "no");
  Turn(&old_);
  EXPECT_THAT(client.Receive(), IsEmpty());
  Refuse(&old_, 1, "");
  Answer(Domain("default/bulk"));
  EXPECT_EQ(OnlyGuest().class_(), "default/bulk");
}

TEST_F(ConnectionsIdentityTest, ASuccessorKnowsWhatIsRefusedBeforeItsServerTells) {
  Client client = Come(kKnown);
  Answer(Domain("default/bulk"));
  Refuse(&old_, 1, "no");
  Move();
  EXPECT_EQ(OnlyGuest(&new_).class_(), "default/gold");
  Bring(&new_, 0, 1'000);
  EXPECT_THAT(client.Receive(), SizeIs(64));
  Refuse(&new_, 1, "");  // its server thinks otherwise
  EXPECT_EQ(OnlyGuest(&new_).class_(), "default/bulk");
}

TEST_F(ConnectionsIdentityTest, ALiveChangeMovesTheConnectionWithWhatItIsOwed) {
  Client client = Come(kKnown);
  Answer(Domain("default/bulk"));
  EXPECT_EQ(OnlyGuest().owed(), 64u);
  Change(1);
  EXPECT_THAT(identifier_.questions, IsEmpty());
  Change(getpid());
  ASSERT_THAT(identifier_.questions, SizeIs(1));
  EXPECT_EQ(identifier_.questions[0].pin.start_ticks, 5u);
  Answer(Domain("default/gold"));
  EXPECT_EQ(OnlyGuest().class_(), "default/gold");
  EXPECT_EQ(old_.host->classes()[1]->counters()->guests.Get(), 0u);
  EXPECT_EQ(old_.host->classes()[1]->counters()->owed_bytes.Get(), 0u);
  Bring(&old_, 0, 1'000);
  EXPECT_THAT(client.Receive(), SizeIs(64));
}

TEST_F(ConnectionsIdentityTest, AClassTakenOutOfTheMetadataReturnsToTheListeners) {
  Client client = Come(kKnown);
  Answer(Domain("default/bulk"));
  Change(getpid());
  Answer(Domain(""));
  EXPECT_EQ(OnlyGuest().class_(), "default/gold");
}

TEST_F(ConnectionsIdentityTest, ADomainThatEndsKeepsItsNameToTheLast) {
  Client client = Come(kKnown);
  Answer(Domain("default/bulk"));
  Change(getpid());
  Answer(absl::nullopt);
  EXPECT_EQ(OnlyGuest().name(), "web");
  Change(getpid());
  Answer(GuestIdentity{IdentitySource::kCgroup, "we", "", "", ""});
  EXPECT_EQ(OnlyGuest().name(), "web");
  EXPECT_EQ(OnlyGuest().class_(), "default/bulk");
}

TEST_F(ConnectionsIdentityTest, AnAnswerForOneWhoHasLeftIsIgnored) {
  Client client = Come(kKnown);
  client.Hangup();
  Turn(&old_);
  Answer(Domain("default/bulk"));
  EXPECT_EQ(old_.host->connections()->size(), 0u);
}

TEST_F(ConnectionsIdentityTest, NobodyIsAskedAnyMoreForOneWhoHasLeft) {
  Client client = Come(kKnown);
  EXPECT_THAT(identifier_.withdrawn, IsEmpty());
  client.Hangup();
  Turn(&old_);
  EXPECT_EQ(identifier_.withdrawn, std::vector<uint64_t>{identifier_.questions.at(0).connection});
}

TEST_F(ConnectionsIdentityTest, ListenersWithoutIdentifyAskNobody) {
  Bring(&old_, 0, 1'000);
  Client client = Connect(kAsk64, kAuto);
  EXPECT_THAT(client.Receive(), SizeIs(64));
  EXPECT_THAT(identifier_.questions, IsEmpty());
  EXPECT_EQ(OnlyGuest().identified_by(), "none");
}

TEST_F(ConnectionsIdentityTest, TheStatusTellsWhichListenersHeedMetadata) {
  v1::GetStatusResponse status;
  old_.host->status().Fill(&status);
  ASSERT_EQ(status.listener_size(), 4);
  EXPECT_EQ(status.listener(kAuto).identify(), "none");
  EXPECT_EQ(status.listener(kKnown).identify(), "libvirt");
}

TEST_F(ConnectionsIdentityTest, IdentityAndClassCrossAHandover) {
  Client client = Come(kKnown);
  Answer(Domain("default/bulk"));
  Move();
  EXPECT_EQ(OnlyGuest(&new_).name(), "web");
  EXPECT_EQ(OnlyGuest(&new_).identified_by(), "libvirt");
  EXPECT_EQ(OnlyGuest(&new_).class_(), "default/bulk");
  // The agent asks for what changed while nobody watched.
  Answer(Domain("default/gold"), &new_);
  EXPECT_EQ(OnlyGuest(&new_).class_(), "default/gold");
  Bring(&new_, 0, 1'000);
  EXPECT_THAT(client.Receive(), SizeIs(64));
}

TEST_F(ConnectionsIdentityTest, OneWhoIsNotKnownYetIsHeldByTheSuccessorToo) {
  Client client = Come(kRefuse);
  identifier_.questions.clear();
  Move();
  Bring(&new_, 1, 1'000);
  Turn(&new_);
  EXPECT_THAT(client.Receive(), IsEmpty());
  Answer(Domain("default/bulk"), &new_);
  EXPECT_THAT(client.Receive(), SizeIs(64));
  EXPECT_EQ(new_.host->classes()[1]->counters()->requests[2].Get(), 1u);
}

TEST_F(ConnectionsIdentityTest, AnAnswerThatIsThereWhenTheHoldEndsCounts) {
  Bring(&old_, 0, 1'000);
  Client client = Come(kRefuse);
  IdentityNews answer;
  answer.connection = identifier_.questions.at(0).connection;
  answer.identity = Domain("");
  clock_.AdvanceNanos(kSecondNanos);  // the loop was busy meanwhile
  old_.loop->Post([&] { old_.host->connections()->OnIdentities({answer}); });
  EndHold(0);
  EXPECT_THAT(client.Receive(), SizeIs(64));
  EXPECT_EQ(old_.metrics->connections.identity_timeouts.Get(), 0u);
}

TEST_F(ConnectionsIdentityTest, OneWhoLeavesAsTheHoldEndsIsNotJudged) {
  Client client = Come(kRefuse);
  Turn(&old_, 200 * kMillisecondNanos);
  client.Hangup();
  Turn(&old_);
  Turn(&old_);
  EXPECT_EQ(old_.host->connections()->size(), 0u);
  EXPECT_EQ(old_.metrics->connections.identity_timeouts.Get(), 0u);
}

// However long it takes to adopt all others.
TEST_F(ConnectionsIdentityTest, AHoldBeginsAnewWhenTheSuccessorServes) {
  Client client = Come(kRefuse);
  const Cargo cargo = Save();
  Adopt(cargo);
  clock_.AdvanceNanos(kSecondNanos);
  Commit();
  Bring(&new_, 0, 1'000);
  Turn(&new_, 199 * kMillisecondNanos);
  Turn(&new_);
  EXPECT_EQ(new_.metrics->connections.identity_timeouts.Get(), 0u);
  Answer(Domain(""), &new_);
  EXPECT_THAT(client.Receive(), SizeIs(64));
}

TEST_F(ConnectionsIdentityTest, AHoldLastsAsLongInABusyTurn) {
  clock_.AdvanceNanos(kSecondNanos);  // in the turn that accepts it
  Client client = Come(kRefuse);
  Turn(&old_, 199 * kMillisecondNanos);
  Turn(&old_);
  EXPECT_EQ(old_.metrics->connections.identity_timeouts.Get(), 0u);
}

TEST_F(ConnectionsIdentityTest, ASuccessorAsksFirstForThoseWhoAreHeld) {
  Client known = Come(kRefuse);
  Answer(Domain(""));
  Client held = Come(kRefuse);
  ASSERT_THAT(identifier_.questions, SizeIs(1));
  EXPECT_TRUE(identifier_.questions[0].held);
  const uint64_t id = identifier_.questions[0].connection;
  identifier_.questions.clear();
  Move();
  ASSERT_THAT(identifier_.questions, SizeIs(2));
  EXPECT_EQ(identifier_.questions[0].connection, id);
  EXPECT_TRUE(identifier_.questions[0].held);
  EXPECT_FALSE(identifier_.questions[1].held);
  identifier_.questions.clear();
  Change(getpid(), &new_);
  ASSERT_THAT(identifier_.questions, SizeIs(1));
  EXPECT_FALSE(identifier_.questions[0].held);
}

// A process that has connected may give the socket to another and end. Whoever gets its pid then,
// such as another guest's QEMU, is not the peer.
TEST_F(ConnectionsIdentityTest, NobodyInheritsTheConnectionOfAProcessThatIsGone) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = dir_ / "2.sock";
  std::memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd kept(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    _exit(connect(kept.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  Turn(&old_);
  ASSERT_THAT(identifier_.questions, SizeIs(1));
  EXPECT_EQ(identifier_.questions[0].pin.pid, 0);
  IdentityNews nobody;
  nobody.connection = identifier_.questions[0].connection;
  old_.host->connections()->OnIdentities({nobody});
  Turn(&old_);
  identifier_.questions.clear();
  Change(child);
  EXPECT_THAT(identifier_.questions, IsEmpty());
  Move();
  new_.host->connections()->AskAgain();
  Change(child, &new_);
  EXPECT_THAT(identifier_.questions, IsEmpty()) << "nor after a handover";
}

}  // namespace
}  // namespace entropyd
