// The answer to "why at that time?" in a few words. Pure.

import type { FireTimeReason } from '@/api/generated'

const HEADLINES: Record<FireTimeReason, string> = {
  RAN: 'It was taken then.',
  SKIPPED: 'It was not run, and that was recorded.',
  WAITING: 'It has come and has not begun.',
  HELD_BACK: 'A blackout holds it back; it runs afterwards.',
  CLUSTER_HELD: 'The cluster is held: nothing starts.',
  PAUSED: 'The job was paused.',
  DELETED: 'The job was deleted.',
  CLOSED: 'A calendar or a blackout closes that time.',
  NOT_A_FIRE_TIME: 'That is not a fire time of the schedule.',
  BEFORE_CREATION: 'The job did not exist yet.',
  BEFORE_START: 'The schedule had not started yet.',
  AFTER_END: 'The schedule had ended.',
  NOT_KEPT: 'The log keeps nothing of that time any more.',
  UNKNOWN: 'Nothing is recorded about it.',
  WILL_RUN: 'It will run, if nothing is changed.',
}

export function headlineOf(reason: FireTimeReason): string {
  return HEADLINES[reason] ?? reason
}
