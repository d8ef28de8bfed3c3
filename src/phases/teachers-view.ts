/** A student's batch as its teacher was trained to see it: the same pixels, normalised and sized as the teacher's were. */
import { torch, type Tensor } from '../binding/index.ts'
import type { NetworkSpec } from './networks.ts'

type Preparation = Pick<NetworkSpec, 'mean' | 'std' | 'imageSize'>

/** @param images [N, 3, S, S] as `student` prepares them @returns [N, 3, T, T]; `images` itself where both prepare alike */
export function toTeachersView(images: Tensor, student: Preparation, teacher: Preparation): Tensor {
  const { ops } = torch
  let view = images
  if (student.mean.join() !== teacher.mean.join() || student.std.join() !== teacher.std.join()) {
    // (x · σ_student + μ_student − μ_teacher) / σ_teacher, channel by channel
    const perChannel = (value: (channel: number) => number): Tensor =>
      // filled on the device: nothing of the host enters a captured pass
      ops.cat(
        [0, 1, 2].map((channel) => filled(value(channel), images)),
        1,
      )
    const of = (values: readonly number[], channel: number): number => values[channel] ?? 1
    const factor = perChannel((c) => of(student.std, c) / of(teacher.std, c))
    const shift = perChannel((c) => (of(student.mean, c) - of(teacher.mean, c)) / of(teacher.std, c))
    view = ops.add(ops.mul(view, factor), shift)
  }
  const size = teacher.imageSize
  if (view.shape[2] === size && view.shape[3] === size) return view
  // antialiased, as the pictures of an evaluation are made smaller
  return torch.call('aten::_upsample_bilinear2d_aa', view, [size, size], false, null, null) as Tensor
}

/** [1, 1, 1, 1] like `images`. */
function filled(value: number, { device, dtype }: Tensor): Tensor {
  return torch.call('aten::full', [1, 1, 1, 1], value, { device, dtype }) as Tensor
}
