// How a dialog saves its values.

import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ApiError, errorMessage } from '@/api/client'
import { useToast } from '@/components/toasts'

/** Errors by field; `all` is for errors of no field in the dialog. */
export type Faults = Record<string, string | undefined>

/** The errors, whether a save is in progress, and the function that saves: `send` returns the message of success. */
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
      // A field may hold a list: `excludeWindows.2.from` belongs to `excludeWindows`.
      const path = error instanceof ApiError ? error.field : null
      const field = path?.split('.')[0]
      setErrors({ [field || 'all']: field ? errorMessage(error).replace(`${path}: `, '') : errorMessage(error) })
    } finally {
      setBusy(false)
    }
  }
  return { errors, setErrors, busy, save }
}
