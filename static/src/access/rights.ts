// The role that each command needs: the table of `src/api/access.rs` as far as the dashboard offers it. The node decides;
// the table only keeps the page from an offer that would be refused.

import { type Mutation, ROLE_VALUES, type Role } from '@/api/generated'
import { enumLabel } from '@/components/status'
import { type Me, useInNamespace, useMe } from './me'

/** A mutation, or a page by the query that it shows. */
export type Command = keyof Mutation | 'users' | 'apiTokens' | 'auditLog' | 'secrets'

/** Each mutation of the API is in the table, or it does not compile. */
export const NEEDED: Record<Command, Role> = {
  pauseJob: 'OPERATOR',
  resumeJob: 'OPERATOR',
  runJobNow: 'OPERATOR',
  enqueue: 'OPERATOR',
  enqueueMany: 'OPERATOR',
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
  secrets: 'EDITOR',

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
  createNamespace: 'ADMIN',
  updateNamespace: 'ADMIN',
  deleteNamespace: 'ADMIN',
  createSecret: 'ADMIN',
  updateSecret: 'ADMIN',
  deleteSecret: 'ADMIN',

  changePassword: 'VIEWER',
  signOutEverywhere: 'VIEWER',
}

/** Commands that need a role in the whole cluster; for the others a role in the namespace suffices. */
export const OF_CLUSTER: ReadonlySet<Command> = new Set<Command>([
  'drainNode',
  'pauseCluster',
  'resumeCluster',
  'users',
  'createUser',
  'updateUser',
  'deleteUser',
  'setPassword',
  'apiTokens',
  'createApiToken',
  'revokeApiToken',
  'auditLog',
  'createNamespace',
  'updateNamespace',
  'deleteNamespace',
])

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

/** The roles of a caller. */
export type Roles = Pick<Me, 'role' | 'namespaceRoles'>

/** Where a command acts: in a namespace, in the whole cluster (null), or in any namespace (undefined). */
export type Where = string | null | undefined

/** The role of a caller there; the highest one in any namespace. */
export function roleIn({ role, namespaceRoles }: Roles, where: Where): Role | null {
  const there = namespaceRoles.filter(({ namespace }) => where === undefined || namespace === where)
  return [role, ...there.map((one) => one.role)].reduce(higher, null)
}

function higher(one: Role | null, other: Role | null): Role | null {
  if (!one || !other) return one ?? other
  return includes(one, other) ? one : other
}

/**
 * The offer of a command to a caller. About an object of a namespace, only what the caller may do there is shown.
 * Elsewhere a caller without any command sees none; one with some sees all, and the names of the roles for the others.
 * Pure.
 */
export function offerTo(caller: Roles | null, command: Command, where?: Where): Offer {
  const needed = NEEDED[command]
  const there = OF_CLUSTER.has(command) ? null : where
  const role = caller && roleIn(caller, there)
  if (role && includes(role, needed)) return { shown: true, disabled: false, title: undefined }
  const shown = typeof there !== 'string' && role !== null && includes(role, 'OPERATOR')
  return { shown, disabled: true, title: needsRole(needed) }
}

/** "This needs the role editor." */
export function needsRole(needed: Role): string {
  return `This needs the role ${enumLabel(needed).toLowerCase()}.`
}

/** "editor", "viewer, operator in team", "no role". */
export function rolesInWords({ role, namespaceRoles }: Roles): string {
  const roles = namespaceRoles.map((one) => `${enumLabel(one.role).toLowerCase()} in ${one.namespace}`)
  return [...(role ? [enumLabel(role).toLowerCase()] : []), ...roles].join(', ') || 'no role'
}

/** The same as a label: "Viewer, editor in team". */
export function rolesLabel(roles: Roles): string {
  const words = rolesInWords(roles)
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** How a command is offered to the caller where the page is; until the caller is known, it is not. */
export function useOffer(command: Command): Offer {
  return offerTo(useMe(), command, useInNamespace())
}

/** Whether the caller may do something. */
export function useMay(command: Command): boolean {
  return !useOffer(command).disabled
}
