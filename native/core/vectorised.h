// One machine code of a function for each generation of x86-64's vector instructions and one for any processor, chosen when the library is
// loaded. Includes nothing, for kernels that know nothing of LibTorch.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#if __GNUC__ >= 12
#define TRIVIUM_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define TRIVIUM_VECTORISED __attribute__((target_clones("avx2", "default")))
#endif
#else
#define TRIVIUM_VECTORISED
#endif
