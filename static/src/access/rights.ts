// The role that each command needs: the table of `src/api/access.rs` as far as the dashboard offers it. The node decides;
// the table only keeps the page from an offer that would be refused.

import { type Mutation, ROLE_VALUES, type Role } from '@/api/generated'
import { enumLabel } from '@/components/status'
import { useMe } from './me'

/** A mutation, or a page of admins by the query that it shows. */
export type Command = keyof Mutation | 'users' | 'apiTokens' | 'auditLog'

/** Each mutation of the API is in the table, or it does not compile. */
export const NEEDED: Record<Command, Role> = {
  pauseJob: 'OPERATOR',
  resumeJob: 'OPERATOR',
  runJobNow: 'OPERATOR',
  pauseJobs: 'OPERATOR',
  resumeJobs: 'OPERATOR',
  runJobsNow: 'OPERATOR',
  cancelExecution: 'OPERATOR',
  cancelExecutions: 'OPERATOR',
  rerunExecution: 'OPERATOR',
  rerunExecutions: 'OPERATOR',
  backfillJob: 'OPERATOR',
  cancelBackfill: 'OPERATOR',

  createJob: 'EDITOR',
  createJobs: 'EDITOR',
  updateJob: 'EDITOR',
  deleteJob: 'EDITOR',
  deleteJobs: 'EDITOR',
  createCalendar: 'EDITOR',
  updateCalendar: 'EDITOR',
  deleteCalendar: 'EDITOR',
  createBlackout: 'EDITOR',
  setBlackoutEnd: 'EDITOR',
  endBlackout: 'EDITOR',

  drainNode: 'ADMIN',
  pauseCluster: 'ADMIN',
  resumeCluster: 'ADMIN',
  users: 'ADMIN',
  createUser: 'ADMIN',
  updateUser: 'ADMIN',
  deleteUser: 'ADMIN',
  setPassword: 'ADMIN',
  apiTokens: 'ADMIN',
  createApiToken: 'ADMIN',
  revokeApiToken: 'ADMIN',
  auditLog: 'ADMIN',

  changePassword: 'VIEWER',
  signOutEverywhere: 'VIEWER',
}

/** What a role may do, in a line. */
export const RIGHTS: Record<Role, string> = {
  MONITOR: 'Reads the metrics and the list of nodes. It has no pages here.',
  VIEWER: 'Reads everything but users, tokens and the audit log.',
  OPERATOR: 'Reads, and runs, pauses, resumes, cancels and reruns.',
  EDITOR: 'Operates, and creates, changes and deletes jobs, calendars and blackouts.',
  ADMIN: 'Edits, manages users, tokens, nodes and the cluster, and reads the audit log.',
}

/** Whether a role has the rights of another one: each includes those before it. */
export function includes(role: Role, needed: Role): boolean {
  return ROLE_VALUES.indexOf(role) >= ROLE_VALUES.indexOf(needed)
}

/** How a command is offered. */
export interface Offer {
  shown: boolean
  disabled: boolean
  /** The role that is missing, in a sentence. */
  title: string | undefined
}

/**
 * The offer of a command to a role. A caller without any command sees none; one with some sees all, and the names of
 * the roles for the others. Pure.
 */
export function offerTo(role: Role | null, command: Command): Offer {
  const needed = NEEDED[command]
  if (role && includes(role, needed)) return { shown: true, disabled: false, title: undefined }
  const shown = role !== null && includes(role, 'OPERATOR')
  return { shown, disabled: true, title: needsRole(needed) }
}

/** "This needs the role editor." */
export function needsRole(needed: Role): string {
  return `This needs the role ${enumLabel(needed).toLowerCase()}.`
}

/** How a command is offered to the caller; until the caller is known, it is not. */
export function useOffer(command: Command): Offer {
  return offerTo(useMe()?.role ?? null, command)
}

/** Whether the caller may do something. */
export function useMay(command: Command): boolean {
  return !useOffer(command).disabled
}
