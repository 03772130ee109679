// Counts what LibTorch allocates on the CPU, where every tensor's memory comes from.
#pragma once

#include <c10/core/CPUAllocator.h>

#include <utility>
#include <vector>

namespace trellis {

// Hands everything on to the allocator that was there, and keeps the sizes.
class CountingAllocator final : public at::Allocator {
 public:
  CountingAllocator() : inner_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, 255); }
  ~CountingAllocator() override { c10::SetCPUAllocator(inner_, 255); }

  at::DataPtr allocate(std::size_t bytes) override {
    sizes_.push_back(bytes);
    return inner_->allocate(bytes);
  }
  at::DeleterFnPtr raw_deleter() const override { return inner_->raw_deleter(); }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }

  std::vector<std::size_t> take() { return std::exchange(sizes_, {}); }

 private:
  at::Allocator* inner_;
  std::vector<std::size_t> sizes_;
};

}  // namespace trellis
