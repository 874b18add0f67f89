// What crosses a handover: the objects of two processes, with real sockets. The second process
// replaces the first.
#include "hostagent/handover/saved_state.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using testing::IsEmpty;

class SavedStateTest : public TwoHostsTest {};

TEST_F(SavedStateTest, AWaitingGuestIsAnsweredByTheSuccessor) {
  Client waiting = Connect({0x02, 64, 0x02});
  Client idle = Connect();
  Move();
  waiting.Send({10, 0x00});
  idle.Send({0x02, 5});
  Turn(&new_);
  EXPECT_EQ(new_.buffer().demand().owed, 79u);
  Arrive(&new_, 200);
  EXPECT_EQ(waiting.Receive().size(), 64u + 10 + 4);
  EXPECT_EQ(idle.Receive().size(), 5u);
  EXPECT_EQ(new_.host->connections()->size(), 2u);
}

// The taker's loop has not turned since it has asked for the guests.
TEST_F(SavedStateTest, AGiverThatAnswersLateEndsNobodysWaitForTheFirstBytes) {
  Turn(&new_);
  Turn(&old_, kSecondNanos);
  Client client = Connect({0x01, 8});
  EXPECT_THAT(client.Receive(), IsEmpty());
  Move();
  Turn(&new_, kSecondNanos / 10);
  Turn(&new_);
  EXPECT_THAT(client.Receive(), IsEmpty()) << "200 ms have not passed";
  Arrive(&new_, 100);
  EXPECT_EQ(client.Receive().size(), 9u);
}

TEST_F(SavedStateTest, ASavedServiceServesOnAsIfNothingHadHappened) {
  Client client = Connect({0x02, 64, 0x02});
  const Cargo cargo = Save();
  EXPECT_EQ(cargo.connections.size(), 1u);
  client.Send({6});
  Arrive(&old_, 1'000);
  EXPECT_EQ(client.Receive(), StreamBytes(0, 70));
}

TEST_F(SavedStateTest, IdentityAndAccountsCross) {
  Arrive(&old_, 1'000);
  Client client = Connect({0x02, 64, 0x04});
  client.Receive();
  Turn(&old_, 5 * kSecondNanos);
  v1::ListGuestsResponse before, after;
  old_.host->status().FillGuests(&before);
  Move();
  new_.host->status().FillGuests(&after);
  ASSERT_EQ(after.guest_size(), 1);
  EXPECT_EQ(after.guest(0).DebugString(), before.guest(0).DebugString());
  v1::GetStatusResponse status;
  new_.host->status().Fill(&status);
  EXPECT_EQ(status.class_(0).delivered(), 64u);
  EXPECT_EQ(status.class_(0).requests(), 2u);
  EXPECT_EQ(status.listener(0).connections(), 1u);
}

TEST_F(SavedStateTest, M13_NoByteOfTheBuffersIsInWhatCrosses) {
  Arrive(&old_, 1'000'000);
  Client stalled = Connect();
  Bytes requests;
  for (int i = 0; i < 2'000; ++i) requests.insert(requests.end(), {0x02, 255, 0x01, 31});
  stalled.Send(requests);
  for (int i = 0; i < 4; ++i) Turn(&old_);
  ASSERT_TRUE(old_.host->connections()->undelivered());
  ASSERT_GT(old_.arena->used_bytes(), ClassBuffer::kMinTarget);
  const uint64_t taken = old_.counters().delivered_bytes.Get();
  const Cargo cargo = Save();
  std::string crossed = cargo.numbers.SerializeAsString();
  for (const auto& batch : cargo.connections) crossed += batch.SerializeAsString();
  // No 4 bytes of the staging remainders, or of what is still in the buffer.
  const Bytes stream = StreamBytes(0, taken + 4'096);
  std::vector<std::string> fours;
  for (size_t i = 0; i + 4 <= stream.size(); ++i)
    fours.emplace_back(stream.begin() + ptrdiff_t(i), stream.begin() + ptrdiff_t(i) + 4);
  std::sort(fours.begin(), fours.end());
  for (size_t i = 0; i + 4 <= crossed.size(); ++i) {
    EXPECT_FALSE(std::binary_search(fours.begin(), fours.end(), crossed.substr(i, 4))) << i;
  }
}

TEST_F(SavedStateTest, AStalledReaderGetsEveryReplyWholeAndInOrder) {
  Arrive(&old_, 2'000'000);
  Client stalled = Connect();
  Bytes requests;
  for (int i = 0; i < 3'000; ++i) {
    requests.insert(requests.end(), {0x02, 200, 0x01, 99, 0x01, 0});
  }
  stalled.Send(requests);
  for (int i = 0; i < 8; ++i) Turn(&old_);
  Bytes seen = stalled.Receive(10'007);  // in the middle of a reply
  Turn(&old_);
  ASSERT_TRUE(old_.host->connections()->undelivered());
  Move();
  for (int i = 0; i < 2'000; ++i) {
    if (new_.buffer().level() < 100'000) Arrive(&new_, 1'000'000, /*first=*/5'000'000);
    const Bytes part = stalled.Receive();
    seen.insert(seen.end(), part.begin(), part.end());
    Turn(&new_);
  }
  EXPECT_EQ(new_.counters().requests[1].Get(), 6'000u);
  EXPECT_EQ(new_.counters().requests[2].Get(), 3'000u);
  EXPECT_EQ(new_.counters().owed_bytes.Get(), 0u);
  size_t at = 0;
  for (int i = 0; i < 3'000; ++i) {
    at += 200;
    ASSERT_LT(at, seen.size()) << "reply " << i;
    ASSERT_LE(seen[at], 99);  // may be less than asked for; the reply says how many
    at += size_t{1} + seen[at];
    ASSERT_LT(at, seen.size());
    ASSERT_EQ(seen[at], 0);
    at += 1;
  }
  EXPECT_EQ(at, seen.size());
}

TEST_F(SavedStateTest, NobodyIsReadOrWrittenBeforeTheLoopTurns) {
  Client client = Connect();
  const Cargo cargo = Save();
  client.Send({0x02, 8});
  Fill(&new_, 100);
  Adopt(cargo);
  EXPECT_THAT(client.Receive(), IsEmpty());
  EXPECT_EQ(new_.counters().requests[2].Get(), 0u);
  new_.host.reset();  // the successor dies here
  Arrive(&old_, 100);
  EXPECT_EQ(client.Receive(), StreamBytes(0, 8));
}

TEST_F(SavedStateTest, ASuccessorThatFailsRemovesNoSocketFile) {
  Adopt(Save());
  new_.host.reset();
  EXPECT_EQ(access(settings_.listeners[0].path.c_str(), F_OK), 0);
  Move();
  EXPECT_EQ(access(settings_.listeners[0].path.c_str(), F_OK), 0);
  new_.host->StopListening();
  EXPECT_NE(access(settings_.listeners[0].path.c_str(), F_OK), 0);
}

TEST_F(SavedStateTest, TheListenersBacklogIsServedByTheSuccessor) {
  Client late = Dial(settings_.listeners[0].path);
  late.Send({0x02, 8});
  Move();
  Arrive(&new_, 100);
  Turn(&new_);
  Turn(&new_);
  EXPECT_EQ(late.Receive().size(), 8u);
}

TEST_F(SavedStateTest, AGuestOfAListenerThatTheNewConfigurationLacksIsAReasonToRefuse) {
  Client client = Connect({}, kQemu);
  Cargo cargo = Save();
  settings_.listeners.pop_back();
  Make(&new_);
  const absl::Status status = TryAdopt(cargo);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), testing::HasSubstr("keep the listener until its guests have gone"));
  new_.host.reset();
  EXPECT_EQ(access((dir_ / "1.sock").c_str(), F_OK), 0) << "it is the old one's";
}

TEST_F(SavedStateTest, AListenerThatTheNewConfigurationLacksIsClosedWhenNobodyCameInByIt) {
  Client client = Connect(Bytes{0x02, 8});
  Cargo cargo = Save();
  settings_.listeners.pop_back();
  Make(&new_);
  Adopt(cargo);
  EXPECT_EQ(access((dir_ / "1.sock").c_str(), F_OK), 0) << "not before the handover is final";
  Commit();
  EXPECT_NE(access((dir_ / "1.sock").c_str(), F_OK), 0);
  Arrive(&new_, 100);
  EXPECT_EQ(client.Receive().size(), 8u);
}

TEST_F(SavedStateTest, ModesAreThoseOfTheNewConfiguration) {
  settings_.listeners[0].mode = 0640;
  Make(&new_);
  Move();
  struct stat found;
  ASSERT_EQ(stat((dir_ / "0.sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0640u);
}

// A socket that the service manager made, with the path of the first listener.
UniqueFd Bind(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(fd.get(), 10), 0);
  return fd;
}

mode_t ModeOf(const std::string& path) {
  struct stat found;
  return stat(path.c_str(), &found) == 0 ? found.st_mode & 07777 : 0;
}

TEST_F(SavedStateTest, AnInheritedSocketServesAndItsFileStaysTheManagersAlsoWithSuccessors) {
  Make(&old_);
  std::vector<UniqueFd> inherited;
  inherited.push_back(Bind(dir_ / "0.sock"));
  ASSERT_EQ(chmod((dir_ / "0.sock").c_str(), 0666), 0);
  ASSERT_TRUE(old_.host->endpoints()->Inherit(std::move(inherited)).ok());
  ASSERT_TRUE(old_.host->Listen().ok());
  Client client = Dial(dir_ / "0.sock");
  client.Send({0x02, 8});
  Turn(&old_);
  Turn(&old_);
  Arrive(&old_, 100);
  EXPECT_EQ(client.Receive().size(), 8u);
  Move();
  client.Send({0x02, 8});
  Arrive(&new_, 100);
  Turn(&new_);
  EXPECT_EQ(client.Receive().size(), 8u);
  struct stat found;
  ASSERT_EQ(stat((dir_ / "0.sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0666u);
  new_.host.reset();
  EXPECT_EQ(access((dir_ / "0.sock").c_str(), F_OK), 0);
  EXPECT_NE(access((dir_ / "1.sock").c_str(), F_OK), 0);
}

// Whoever put it there may be anybody; guests that connect there get that one's bytes.
TEST_F(SavedStateTest, AnotherProcesssSocketInAListenersPlaceIsNotTakenForItsOwn) {
  const std::string path = dir_ / "0.sock";
  ASSERT_EQ(unlink(path.c_str()), 0);
  UniqueFd foreign = Bind(path);
  ASSERT_EQ(chmod(path.c_str(), 0611), 0);
  old_.host->endpoints()->MakeLostAnew();
  Move();
  EXPECT_EQ(ModeOf(path), 0611u) << "the file of another process got this one's mode";
  EXPECT_EQ(new_.host->endpoints()->MakeLostAnew(), 1u);
  EXPECT_THAT(std::string(new_.host->endpoints()->problem(0).message()),
              testing::HasSubstr("another process listens there"));
  new_.host->StopListening();
  EXPECT_EQ(ModeOf(path), 0611u) << "the file of another process was removed";
}

TEST_F(SavedStateTest, AListenersFileIsMadeAnewWhenAnotherProcesssSocketHasGone) {
  const std::string path = dir_ / "0.sock";
  ASSERT_EQ(unlink(path.c_str()), 0);
  UniqueFd foreign = Bind(path);
  Move();
  new_.host->endpoints()->MakeLostAnew();
  foreign.reset();
  new_.host->endpoints()->MakeLostAnew();
  EXPECT_TRUE(new_.host->endpoints()->problem(0).ok());
  Client client = Dial(path);
  client.Send({0x02, 8});
  for (int i = 0; i < 2; ++i) Turn(&new_);
  Arrive(&new_, 100);
  EXPECT_EQ(client.Receive().size(), 8u);
}

TEST_F(SavedStateTest, AnotherProcesssSocketStaysWhenTheNewConfigurationLacksTheListener) {
  const std::string path = dir_ / "1.sock";
  ASSERT_EQ(unlink(path.c_str()), 0);
  UniqueFd foreign = Bind(path);
  settings_.listeners.pop_back();
  Make(&new_);
  Move();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

// The next successor learns it as the first one did.
TEST_F(SavedStateTest, AFileThatWasLostBeforeAHandoverIsLostAfterTheNext) {
  const std::string path = dir_ / "0.sock";
  ASSERT_EQ(unlink(path.c_str()), 0);
  UniqueFd foreign = Bind(path);
  Move();
  std::swap(old_, new_);
  old_.loop->SetAfterTurn([this] { old_.host->Serve(); });
  Make(&new_);
  Move();
  EXPECT_EQ(new_.host->endpoints()->MakeLostAnew(), 1u);
  new_.host->StopListening();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

TEST_F(SavedStateTest, ALostFileOfASocketUnitIsMadeAsItWasByTheSuccessorToo) {
  Make(&old_);
  const std::string path = dir_ / "0.sock";
  std::vector<UniqueFd> inherited;
  inherited.push_back(Bind(path));
  ASSERT_EQ(chmod(path.c_str(), 0622), 0);
  ASSERT_TRUE(old_.host->endpoints()->Inherit(std::move(inherited)).ok());
  ASSERT_TRUE(old_.host->Listen().ok());
  ASSERT_EQ(unlink(path.c_str()), 0);
  UniqueFd foreign = Bind(path);
  ASSERT_EQ(chmod(path.c_str(), 0611), 0);
  Move();
  EXPECT_EQ(new_.host->endpoints()->MakeLostAnew(), 1u);
  EXPECT_EQ(ModeOf(path), 0611u);
  foreign.reset();
  new_.host->endpoints()->MakeLostAnew();
  EXPECT_EQ(ModeOf(path), 0622u) << "neither the other's mode nor the configuration's";
}

TEST_F(SavedStateTest, AnInheritedSocketThatNoListenerHasIsNamed) {
  Make(&old_);
  std::vector<UniqueFd> inherited;
  inherited.push_back(Bind(dir_ / "stray.sock"));
  const absl::Status status = old_.host->endpoints()->Inherit(std::move(inherited));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), testing::HasSubstr("stray.sock"));
}

TEST_F(SavedStateTest, AListenerThatOnlyTheNewConfigurationHasIsOpened) {
  settings_.listeners.push_back(settings_.listeners[0]);
  settings_.listeners.back().path = dir_ / "more.sock";
  Make(&new_);
  Move();
  EXPECT_EQ(access((dir_ / "more.sock").c_str(), F_OK), 0);
}

TEST_F(SavedStateTest, APrimedQemuIsPrimedOn) {
  Arrive(&old_, 100);
  Client qemu = Connect({}, kQemu);
  EXPECT_EQ(qemu.Receive().size(), 64u);
  Move();
  Fill(&new_, 1'000);
  Turn(&new_, kSecondNanos);
  EXPECT_EQ(qemu.Receive().size(), 128u);
}

TEST_F(SavedStateTest, AHalfClosedPeerGetsTheRestAndIsClosed) {
  Client client = Connect({0x02, 20});
  client.FinishSending();
  Turn(&old_);
  Move();
  Arrive(&new_, 100);
  EXPECT_EQ(client.Receive().size(), 20u);
  Turn(&new_, kSecondNanos / 10);
  EXPECT_TRUE(client.Closed());
}

TEST_F(SavedStateTest, ThePeerThatHungUpMeanwhileIsNoticed) {
  Client client = Connect({0x02, 20});
  Adopt(Save());
  client.Hangup();
  Commit();
  Turn(&new_);
  EXPECT_EQ(new_.host->connections()->size(), 0u);
}

TEST_F(SavedStateTest, AGuestThatIsServedInTheBatchOfTheHandoverIsCountedAndGone) {
  Arrive(&old_, 100'000);
  Client client = Connect({0x02, 64});
  client.Receive();
  client.Send({0x02, 32});
  old_.loop->Post([this] { old_.host->state()->GiveAway(); });
  Turn(&old_);
  EXPECT_EQ(client.Receive().size(), 32u);
  EXPECT_EQ(old_.host->connections()->size(), 0u);
  uint64_t waits = 0;
  for (const LoopNumber& n : old_.counters().waits) waits += n.Get();
  EXPECT_EQ(waits, 2u);
}

TEST_F(SavedStateTest, TwoThousandConnectionsCross) {
  std::vector<Client> clients;
  for (int i = 0; i < 2'000; ++i) clients.push_back(Connect({0x02}));
  const Cargo cargo = Save();
  EXPECT_EQ(cargo.connections.size(), 10u);
  Adopt(cargo);
  Commit();
  Fill(&new_, 100'000);
  for (Client& client : clients) client.Send({8});
  for (int i = 0; i < 100; ++i) Turn(&new_);
  for (Client& client : clients) ASSERT_EQ(client.Receive().size(), 8u);
}

TEST_F(SavedStateTest, MessagesStaySmallWhateverConnectionsAreOwed) {
  constexpr int kConnections = SavedState::kBatch - 1;
  const auto alternating = [](int times) {
    Bytes commands;
    for (int i = 0; i < times; ++i) commands.insert(commands.end(), {0x02, 1, 0x04});
    return commands;
  };
  std::vector<Client> clients;
  clients.push_back(Connect(alternating(5'400)));
  while (clients.size() < kConnections) clients.push_back(Connect(alternating(32)));
  Turn(&old_, kSecondNanos);  // ages take space, too
  const Cargo cargo = Save();
  size_t most = 0, bytes = 0;
  for (const handover::v1::Connections& batch : cargo.connections) {
    most = std::max(most, batch.ByteSizeLong());
    bytes += batch.ByteSizeLong();
  }
  const size_t largest = cargo.connections.front().connection(0).ByteSizeLong();
  EXPECT_GT(bytes, SavedState::kBatchBytes + largest + 1'000);
  EXPECT_LT(most, SavedState::kBatchBytes + largest + 1'000);
  Adopt(cargo);
  Commit();
  EXPECT_EQ(new_.host->connections()->size(), size_t{kConnections});
}

TEST_F(SavedStateTest, BuffersAreFilledBeforeTheGuestsCome) {
  Client client = Connect({0x02, 255});
  handover::v1::Offer offer;
  old_.host->state()->SaveDemand(&offer);
  ASSERT_EQ(offer.class__size(), 1);
  EXPECT_EQ(offer.class_(0).guests(), 1u);
  EXPECT_GE(offer.class_(0).target(), ClassBuffer::kMinTarget);
  EXPECT_TRUE(new_.host->state()->Filled());
  new_.host->state()->Expect(offer);
  EXPECT_FALSE(new_.host->state()->Filled());
  Turn(&new_);
  EXPECT_EQ(new_.buffer().demand().guests, 1u);
  EXPECT_GE(new_.buffer().WantMore(0), ClassBuffer::kMinTarget);
  Arrive(&new_, ClassBuffer::kMinTarget);
  EXPECT_TRUE(new_.host->state()->Filled());
  Move();
  Turn(&new_);
  EXPECT_EQ(new_.buffer().demand().guests, 1u);
  EXPECT_EQ(new_.buffer().demand().owed, 0u);
}

}  // namespace
}  // namespace entropyd
