#include "comm/threads/lone_backend.h"

#include "base/errors.h"
#include "comm/tensor_checks.h"

namespace trellis {
namespace {

class DoneWork final : public c10d::Work {
 public:
  DoneWork(c10d::OpType type, std::vector<at::Tensor> tensors) : Work(/*rank=*/0, type), tensors_(std::move(tensors)) { finish(); }
  std::vector<at::Tensor> result() override { return tensors_; }

 private:
  std::vector<at::Tensor> tensors_;
};

c10::intrusive_ptr<c10d::Work> done(c10d::OpType type, std::vector<at::Tensor> tensors) {
  return c10::make_intrusive<DoneWork>(type, std::move(tensors));
}

// The input may lie in the output's place.
c10::intrusive_ptr<c10d::Work> copied(c10d::OpType type, const at::Tensor& output, const at::Tensor& input) {
  if (output.data_ptr() != input.data_ptr()) output.view({-1}).copy_(input.view({-1}));
  return done(type, {output, input});
}

[[noreturn]] void nobody(const char* operation) { throw InternalError("there is no other rank in a group of one", operation, ""); }

}  // namespace

c10::intrusive_ptr<c10d::Work> LoneBackend::allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions&) {
  only_tensor(tensors, "allreduce");
  return done(c10d::OpType::ALLREDUCE, tensors);
}

c10::intrusive_ptr<c10d::Work> LoneBackend::broadcast(std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions& opts) {
  only_tensor(tensors, "broadcast");
  expect_rank(static_cast<int>(opts.rootRank), size_, "broadcast");
  return done(c10d::OpType::BROADCAST, tensors);
}

c10::intrusive_ptr<c10d::Work> LoneBackend::_allgather_base(at::Tensor& output, at::Tensor& input, const c10d::AllgatherOptions&) {
  expect_parts(output, input, size_, "allgather");
  return copied(c10d::OpType::_ALLGATHER_BASE, output, input);
}

c10::intrusive_ptr<c10d::Work> LoneBackend::_reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                                                 const c10d::ReduceScatterOptions&) {
  expect_parts(input, output, size_, "reduce_scatter");
  return copied(c10d::OpType::_REDUCE_SCATTER_BASE, output, input);
}

c10::intrusive_ptr<c10d::Work> LoneBackend::alltoall_base(at::Tensor& output, at::Tensor& input,
                                                          std::vector<std::int64_t>& receive_rows,
                                                          std::vector<std::int64_t>& send_rows, const c10d::AllToAllOptions&) {
  expect_exchange(output, input, receive_rows, send_rows, rank_, size_);
  return copied(c10d::OpType::ALLTOALL_BASE, output, input);
}

c10::intrusive_ptr<c10d::Work> LoneBackend::barrier(const c10d::BarrierOptions&) { return done(c10d::OpType::BARRIER, {}); }

c10::intrusive_ptr<c10d::Work> LoneBackend::send(std::vector<at::Tensor>&, int, int) { nobody("send"); }

c10::intrusive_ptr<c10d::Work> LoneBackend::recv(std::vector<at::Tensor>&, int, int) { nobody("recv"); }

}  // namespace trellis
