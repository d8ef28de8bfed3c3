/** Shows a training phase on the terminal: a bar of its steps, and a line of numbers for each epoch. */
import type { Callback } from '../train/index.ts'
import type { PhaseContext, PhaseName } from './context.ts'

export function progressCallback(
  phase: PhaseName,
  { logger, progress }: Pick<PhaseContext, 'logger' | 'progress'>,
): Callback & { stop(): void } {
  let shown: number | null = null
  return {
    name: 'progress',
    onStepEnd(event) {
      if (shown !== event.totalSteps) progress.start(phase, event.totalSteps)
      shown = event.totalSteps
      const loss = Number(event.loss.toPrecision(4))
      progress.update(event.step, { epoch: `${event.epoch}/${event.totalEpochs}`, loss, ...event.parts })
    },
    onEpochClosed(record, isLast) {
      const measured = [
        `loss ${record.train_loss.toFixed(4)}`,
        record.train_accuracy === null ? null : `accuracy ${percent(record.train_accuracy)}`,
        record.val_loss === null ? null : `val loss ${record.val_loss.toFixed(4)}`,
        record.val_accuracy === null ? null : `val accuracy ${percent(record.val_accuracy)}`,
        `${record.seconds.toFixed(1)} s`,
      ]
      const text = `${phase} epoch ${record.epoch}: ${measured.filter((part) => part !== null).join(', ')}`
      logger.info(text, isLast ? { ...record, is_last: true } : record)
    },
    stop() {
      if (shown !== null) progress.stop()
    },
  }
}

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(2)} %`
}
