// How a dialog saves what it holds.

import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ApiError, errorMessage } from '@/api/client'
import { useToast } from '@/components/toasts'

/** Faults by the field that they are about; `all` is about none that the dialog has. */
export type Faults = Record<string, string | undefined>

/** What is wrong, whether it is being saved, and how to save: `send` answers what is said when it is done. */
export function useSaving(onClose: () => void) {
  const [errors, setErrors] = useState<Faults>({})
  const [busy, setBusy] = useState(false)
  const queries = useQueryClient()
  const toast = useToast()
  const save = async (send: () => Promise<string>) => {
    setBusy(true)
    setErrors({})
    try {
      const message = await send()
      toast({ kind: 'done', message })
      await queries.invalidateQueries()
      onClose()
    } catch (error) {
      // A field may hold a whole list: `excludeWindows.2.from` belongs to `excludeWindows`.
      const field = error instanceof ApiError ? error.field?.split('.')[0] : undefined
      setErrors({ [field || 'all']: errorMessage(error) })
    } finally {
      setBusy(false)
    }
  }
  return { errors, setErrors, busy, save }
}
