// The namespaces that the caller reads. With one only, no page says a word about them.

import { useMe } from '@/access/me'
import { type Command, offerTo } from '@/access/rights'
import { NamespacesDocument } from '@/api/generated'
import { useApi } from '@/api/queries'

/** The namespace of jobs without another one. */
export const DEFAULT_NAMESPACE = 'default'

const STALE_MILLIS = 60_000

/** Their names; empty until they are known. */
export function useNamespaces(): string[] {
  const { data } = useApi(NamespacesDocument, {}, { staleTime: STALE_MILLIS })
  return data?.namespaces.map(({ name }) => name) ?? []
}

/** Whether there is more than one, so that a page names them. */
export function useHasNamespaces(): boolean {
  return useNamespaces().length > 1
}

/** The namespaces in which the caller may do something. */
export function useNamespacesFor(command: Command): string[] {
  const me = useMe()
  return useNamespaces().filter((name) => !offerTo(me, command, name).disabled)
}
