// How components read and command: TanStack Query around the client. The lists of the API are the truth, so a command
// reads again what is on the screen instead of patching it.

import { QueryClient, type UseQueryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useToast } from '@/components/toasts'
import { ApiError, errorMessage, send, Unreachable } from './client'
import { onReadAgain } from './connection'
import type { TypedDocumentString } from './generated'
import { keyOf, type Pulse, read } from './read'
import { renewStill } from './still'

/** The cache of this page. */
export function createQueryClient(): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 1_000,
        // What the API refused stays refused; what did not arrive is read again when the node is back.
        retry: (failures, error) => !(error instanceof ApiError) && !(error instanceof Unreachable) && failures < 2,
        refetchOnWindowFocus: true,
        networkMode: 'always',
      },
      mutations: { networkMode: 'always' },
    },
  })
  onReadAgain(() => void client.invalidateQueries())
  return client
}

interface Options<Result, Fresh>
  extends Pick<UseQueryOptions<Result>, 'enabled' | 'gcTime' | 'refetchInterval' | 'staleTime' | 'placeholderData'> {
  pulse?: Pulse<Result, Fresh>
}

/** Reads one query of the API. */
export function useApi<Result, Variables, Fresh = never>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
  { pulse, ...options }: Options<Result, Fresh> = {},
) {
  const queries = useQueryClient()
  return useQuery<Result>({
    queryKey: keyOf(document, variables),
    queryFn: ({ signal }) => read(queries, document, variables, { signal, pulse }),
    ...options,
  })
}

/** A command: says what happened in a toast and reads again what is on the screen. `said` null says nothing. */
export function useCommand<Result, Variables>(
  document: TypedDocumentString<Result, Variables>,
  said: (result: Result, variables: Variables) => string | null,
) {
  const queries = useQueryClient()
  const toast = useToast()
  return useMutation<Result, Error, Variables>({
    mutationFn: (variables) => send(document, variables),
    onSuccess: (result, variables) => {
      const message = said(result, variables)
      if (message) toast({ kind: 'done', message })
      return queries.invalidateQueries().then(renewStill)
    },
    onError: (error) => toast({ kind: 'failed', message: errorMessage(error) }),
  })
}
