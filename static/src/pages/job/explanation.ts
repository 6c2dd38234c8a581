// The answer to "why at that time?" in a few words. Pure.

import type { FireTimeReason } from '@/api/generated'

const HEADLINES: Record<FireTimeReason, string> = {
  RAN: 'It was taken then.',
  SKIPPED: 'It did not run; the log has the reason.',
  WAITING: 'It is due and has not started.',
  DEFERRED: 'A blackout defers it; it runs at the end.',
  CLUSTER_PAUSED: 'The cluster is paused: nothing starts.',
  PAUSED: 'The job was paused.',
  DELETED: 'The job was deleted.',
  EXCLUDED: 'A calendar or a blackout excludes that time.',
  NOT_A_FIRE_TIME: 'That is not a fire time of the schedule.',
  BEFORE_CREATION: 'The job did not exist yet.',
  BEFORE_START: 'The schedule had not started yet.',
  AFTER_END: 'The schedule had ended.',
  NOT_RETAINED: 'The log of that time has been purged.',
  UNKNOWN: 'Nothing is recorded about it.',
  WILL_RUN: 'It will run, if nothing is changed.',
}

export function headlineOf(reason: FireTimeReason): string {
  return HEADLINES[reason] ?? reason
}
