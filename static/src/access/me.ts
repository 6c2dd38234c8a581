// The caller of this page. The shell reads it, and everything below takes it from the context.

import { useQueryClient } from '@tanstack/react-query'
import { createContext, useContext, useEffect } from 'react'
import { MeDocument, type MeQuery } from '@/api/generated'
import { useApi } from '@/api/queries'
import { keyOf } from '@/api/read'
import { onForbidden } from '@/api/session'

export type Me = MeQuery['me']

/** Time between two reads of the role, which an admin may change, in milliseconds. */
const INTERVAL = 60_000

const MeContext = createContext<Me | null>(null)

/** Gives the caller to the components inside. */
export const MeProvider = MeContext.Provider

/** The namespace of the object that a part of a page is about: null for the whole cluster, undefined for any. */
const NamespaceContext = createContext<string | null | undefined>(undefined)

/** Gives the namespace to the commands inside. */
export const InNamespace = NamespaceContext.Provider

/** The namespace around a command. */
export const useInNamespace = () => useContext(NamespaceContext)

/** The caller; null until it is known. */
export const useMe = () => useContext(MeContext)

/** Reads the caller, again after a refusal; used once, by the shell. */
export function useMeUpdates(): Me | null {
  const queries = useQueryClient()
  const { data } = useApi(MeDocument, {}, { refetchInterval: INTERVAL, staleTime: INTERVAL })
  useEffect(() => onForbidden(() => void queries.invalidateQueries({ queryKey: keyOf(MeDocument, {}) })), [queries])
  return data?.me ?? null
}
