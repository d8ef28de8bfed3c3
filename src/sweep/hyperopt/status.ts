/** hyperopt's words for what became of a trial. */

export const STATUS_NEW = 'new'
export const STATUS_RUNNING = 'running'
export const STATUS_SUSPENDED = 'suspended'
export const STATUS_OK = 'ok'
export const STATUS_FAIL = 'fail'

export type Status =
  typeof STATUS_NEW | typeof STATUS_RUNNING | typeof STATUS_SUSPENDED | typeof STATUS_OK | typeof STATUS_FAIL

export const STATUS_STRINGS: readonly Status[] = [STATUS_NEW, STATUS_RUNNING, STATUS_SUSPENDED, STATUS_OK, STATUS_FAIL]

export const JOB_STATE_NEW = 0
export const JOB_STATE_RUNNING = 1
export const JOB_STATE_DONE = 2
export const JOB_STATE_ERROR = 3
export const JOB_STATES: readonly JobState[] = [JOB_STATE_NEW, JOB_STATE_RUNNING, JOB_STATE_DONE, JOB_STATE_ERROR]

export type JobState = typeof JOB_STATE_NEW | typeof JOB_STATE_RUNNING | typeof JOB_STATE_DONE | typeof JOB_STATE_ERROR
