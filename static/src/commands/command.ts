// A mutation by the user: sent, reported in a toast, and followed by a read of the visible queries.

import { useMutation, useQueryClient } from '@tanstack/react-query'
import { errorMessage, send } from '@/api/client'
import type { TypedDocumentString } from '@/api/generated'
import { renewStill } from '@/api/still'
import { useToast } from '@/components/toasts'

/** A command: reports its result in a toast and reads the visible queries again. `said` null reports nothing. */
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
