"""A cookie account of the Gemini web app, through the library `gemini_webapi`: the only room that imports it.

`upstream` has the account. `facts` and `logs` import nothing of the library, which a gateway without accounts does
without.
"""
