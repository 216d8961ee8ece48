"""Certificates: a closed document, canonical JSON, signed by the station's key, verified by anybody without a network.

`document` says what one holds, `sealing` turns it into a signed file and back, `verify` judges a file that came from
somewhere, `folder` keeps those a station issued, `label` makes the sticker that names one. The pages are made by
`logger.report.certificate`.
"""
